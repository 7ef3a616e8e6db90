"""Reports changed files, and says which part of the stack each of them concerns."""

import queue
import threading
from collections.abc import Iterable
from pathlib import Path

import watchfiles

from chassis.topology import FILE, declared
from stack.explorer import PACKAGES as EXPLORER_FOLDER
from stack.process import ROOT

STACK = "stack"
"""The part that stands for every process: what the supervisor itself has read."""
PAGE = "page"
"""The part that stands for the sources of the explorer's page."""

_SHARED = ("chassis", "packages")
"""Folders whose modules every service imports."""
_OF_THE_STACK = ("stack", "router")
_NOT_WATCHED = {"node_modules", "dist", "__pycache__"}
_WITHOUT_EFFECT = {".md", ".graphql", ".unfinished", ".proto", ".example"}
_PAGE_FOLDERS = ("src", "public")
_PAGE_FILES = {".html", ".ts", ".mjs"}
_RELOADED_BY_THE_ROUTER = {"router.yaml", "limits.rhai"}
_DEBOUNCE, _STEP = 400, 30
"""Milliseconds: changes are collected until none comes for one step."""

Changes = set[Path]


class Watch:
    """Watches the files of the services and of the stack, on threads."""

    def __init__(self, settings_file: Path) -> None:
        self._settings_file = settings_file
        self._changes: queue.Queue[Changes] = queue.Queue()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(folders, recursive), daemon=True)
            for folders, recursive in self._folders()
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def next(self, timeout: float) -> Changes:
        """Return the files that have changed, or none after `timeout` seconds."""
        try:
            return self._changes.get(timeout=timeout)
        except queue.Empty:
            return set()

    def _run(self, folders: list[Path], recursive: bool) -> None:
        for changes in watchfiles.watch(
            *folders,
            debounce=_DEBOUNCE,
            step=_STEP,
            recursive=recursive,
            stop_event=self._stopped,
            raise_interrupt=False,
        ):
            self._changes.put({Path(path) for _, path in changes})

    def _folders(self) -> list[tuple[list[Path], bool]]:
        """Return the folders to watch, those with all below them apart from the others.

        A folder with npm packages is watched with those of its folders that hold none.
        """
        whole, alone = [], [ROOT, self._settings_file.resolve().parent]
        services = [service.folder for service in declared().services.values()]
        for name in (*services, *_SHARED, *_OF_THE_STACK):
            folder = ROOT / name
            if (folder / "package.json").exists():
                alone.append(folder)
                below = [path for path in folder.iterdir() if path.is_dir()]
                whole += [path for path in below if path.name not in _NOT_WATCHED]
            elif folder.exists():
                whole.append(folder)
        return [(whole, True), (alone, False)]


def concerned(changes: Iterable[Path], settings_file: Path) -> set[str]:
    """Return the services that changed files concern; or STACK, or PAGE."""
    return {part for path in changes for part in _concerned(path, settings_file.resolve())}


def _concerned(path: Path, settings_file: Path) -> set[str]:
    if path in {settings_file, ROOT / FILE}:
        return {STACK}
    if not path.is_relative_to(ROOT) or path.suffix in _WITHOUT_EFFECT:
        return set()
    name = path.relative_to(ROOT)
    services = declared().services
    if name.parts[0] in _SHARED:
        return set(services)
    if name.parts[0] in _OF_THE_STACK and path.name not in _RELOADED_BY_THE_ROUTER:
        return {STACK}
    if _is_of_the_page(path):
        return {PAGE}
    return {s.name for s in services.values() if path.is_relative_to(ROOT / s.folder)}


def _is_of_the_page(path: Path) -> bool:
    if not path.is_relative_to(EXPLORER_FOLDER):
        return False
    name = path.relative_to(EXPLORER_FOLDER)
    return name.parts[0] in _PAGE_FOLDERS or (len(name.parts) == 1 and path.suffix in _PAGE_FILES)
