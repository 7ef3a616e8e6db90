"""Forks services from a process that has already imported their packages.

Importing them takes a service about a second; a fork has them at once. The modules of this
repository are not among them: a fork imports those itself, so it runs the code as it is then.
"""

import importlib.util
import multiprocessing
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from io import TextIOWrapper
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import IO, TYPE_CHECKING

from stack.child_guard import die_with_parent

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

ROOT = Path(__file__).resolve().parents[1]
_IMPORT = re.compile(
    r"^(?:from ([\w.]+) import ([\w ,]*)|import ([\w.]+)(?: as \w+)?$)", re.MULTILINE
)
_NAME = re.compile(r"(?:^|,) *(\w+)")
_NOT_SERVED = {"migrations", "node_modules", "dist", "tests"}
"""Folders of a service whose modules a serving process does not import."""
_IMPORTED_IN_USE = (
    "databases.backends.postgres",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
)
_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2


class Preloader:
    """Starts Python's fork server, one for each process that uses this class.

    Linux only: elsewhere a fork that goes on without `exec` is not safe with every system library.
    """

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")

    @staticmethod
    def is_available() -> bool:
        return sys.platform == "linux"

    def start(self) -> None:
        """Begin to import the packages; a fork waits until that is done."""
        self._context.set_forkserver_preload(["stack.preloaded"])
        forkserver.ensure_running()

    def fork(
        self,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        orphan_signal: int,
    ) -> "Fork":
        """Run `python -m module arguments` in a fork, in a session of its own."""
        output, written = self._context.Pipe(duplex=False)
        with written:
            process = self._context.Process(
                target=_run,
                args=(module, list(arguments), dict(environment), written, int(orphan_signal)),
            )
            process.start()
        return Fork(process, output)


class Fork:
    """A fork of the preloader, with the methods of `subprocess.Popen` that are used here."""

    def __init__(self, process: ForkServerProcess, output: "Connection[bytes, bytes]") -> None:
        assert process.pid is not None  # noqa: S101 - it was started
        self._process = process
        self.pid = process.pid
        self.stdout: IO[str] = os.fdopen(os.dup(output.fileno()), errors="replace")
        output.close()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return status


def _run(
    module: str,
    arguments: list[str],
    environment: dict[str, str],
    output: "Connection[bytes, bytes]",
    orphan_signal: int,
) -> None:
    """Become the module, in a fork."""
    die_with_parent(orphan_signal)
    os.setsid()
    os.dup2(output.fileno(), _STANDARD_OUTPUT)
    os.dup2(output.fileno(), _STANDARD_ERROR)
    output.close()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a `print` is shown at once
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def imported_packages(folders: Sequence[Path]) -> dict[str, set[str]]:
    """Return what Python files import from outside this repository when they are loaded.

    The keys are modules; the values are names imported from them, which may be modules too. Modules
    that packages import only in use are added.
    """
    found: dict[str, set[str]] = {name: set() for name in _IMPORTED_IN_USE}
    for file in (file for folder in folders for file in _modules(folder)):
        for source, names, module in _IMPORT.findall(file.read_text()):
            found.setdefault(source or module, set()).update(_NAME.findall(names))
    return {name: found[name] for name in sorted(found) if not _is_ours(name.partition(".")[0])}


def _modules(folder: Path) -> Iterator[Path]:
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _NOT_SERVED]
        yield from (Path(path, name) for name in files if name.endswith(".py"))


def _is_ours(package: str) -> bool:
    """Return whether a top-level package is part of this repository, or does not exist."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return True
    return any(_lies_here(Path(location)) for location in _locations(spec))


def _locations(spec: importlib.machinery.ModuleSpec) -> Iterator[str]:
    if spec.origin and spec.has_location:
        yield spec.origin
    yield from spec.submodule_search_locations or ()


def _lies_here(location: Path) -> bool:
    return location.is_relative_to(ROOT) and not location.is_relative_to(sys.prefix)
