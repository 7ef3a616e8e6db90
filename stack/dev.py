"""`make dev`: the stack, kept current with the files as they are edited."""

import importlib.util
import os
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from chassis.topology import FILE, TopologyError, declared, read
from stack import explorer, supergraph
from stack.commands import Commands
from stack.environment import prepare
from stack.preload import Preloader
from stack.process import ROOT, StackError, StoppedError
from stack.router import Kind
from stack.supervisor import Stack
from stack.up import begin_download, welcome
from stack.watch import PAGE, STACK, Changes, Watch, concerned

_POLL = 0.2  # seconds


class RestartError(Exception):
    """Files have changed that the supervisor itself has read: it starts again."""


def run(
    commands: Commands,
    settings_file: Path,
    data: Path,
    kind: Kind | None,
    preloader: Preloader | None,
) -> None:
    """Run the stack until it is interrupted. Raises StackError when the stack cannot start."""
    settings = prepare(settings_file, os.environ)  # first: it may write the file
    watch = Watch(settings_file)
    watch.start()  # an edit while the stack starts counts too
    try:
        _compose(commands)
        download = begin_download(commands, settings, kind)
        stack = Stack(
            settings,
            data,
            commands,
            kind,
            preloader=preloader,
            download=download,
            hot_reload=True,
        )
        developed = Developed(stack, commands, settings_file)
        try:
            stack.start(developed.report)
            commands.console.write(welcome(stack, settings, commands.console, download))
            commands.console.step("Watching the files of the services")
            while not commands.interrupted.is_set():
                stack.start_pages()
                developed.react(watch.next(_POLL))
        except StoppedError:
            pass
        finally:
            stack.stop()
    except RestartError:
        commands.console.step("Starting again")
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "stack", *sys.argv[1:]])  # noqa: S606
    finally:
        watch.stop()


def _compose(commands: Commands) -> None:
    """Compose if a file has changed; a failure leaves the supergraph that is there."""
    try:
        supergraph.refresh(commands)
    except StackError as failure:
        if not supergraph.SUPERGRAPH.exists():
            raise
        commands.console.error(f"{failure}\nThe earlier supergraph is served.")


class Developed:
    """A running stack, of which changed parts are restarted. Use it from the main thread."""

    def __init__(self, stack: Stack, commands: Commands, settings_file: Path) -> None:
        self._stack = stack
        self._commands = commands
        self._console = commands.console
        self._settings_file = settings_file
        self._ended: set[str] = set()
        """Services that have ended and wait for an edit."""
        self._building: threading.Thread | None = None
        self._is_page_built = threading.Event()

    def report(self, failure: StackError) -> None:
        self._console.error(f"{failure}\nEverything else runs on; the next save tries again.")
        self._ended |= set(self._ended_services())

    def react(self, changes: Changes) -> None:
        """Restart what the changed files concern. Raises StackError and RestartError."""
        parts = concerned(changes, self._settings_file)
        if STACK in parts and self._is_declaration_valid():
            names = sorted({path.name for path in changes})
            self._console.step(f"{', '.join(names)}: every process reads this")
            raise RestartError
        if PAGE in parts:
            self._build_page()
        if self._is_page_built.is_set():
            self._is_page_built.clear()
            parts.add(explorer.EXPLORER)
        if services := [name for name in self._stack.processes if name in parts]:
            _forget_compiled(changes)
            self._restart(services)
        self._fail_if_ended()

    def _restart(self, names: list[str]) -> None:
        began = time.monotonic()
        self._ended -= set(names)
        try:
            self._stack.migrate_if_needed()
            self._stack.restart(*names)
            subgraphs = [s for s in declared().subgraphs if s.name in names]
            is_composed = self._stack.compose_served(subgraphs)
        except StackError as failure:
            self.report(failure)
            return
        took = time.monotonic() - began
        composed = "; the supergraph is composed" if is_composed else ""
        self._console.step(f"Restarted {', '.join(names)} in {took:.1f} s{composed}")

    def _is_declaration_valid(self) -> bool:
        try:
            read(ROOT)
        except TopologyError as error:
            self._console.error(f"{error}\nThe stack runs on with the earlier {FILE}.")
            return False
        return True

    def _build_page(self) -> None:
        """Build the page on a thread; the services are not kept waiting."""
        if self._building is not None and self._building.is_alive():
            return  # it looks at the sources again when it has finished
        self._building = threading.Thread(target=self._build_until_current, daemon=True)
        self._building.start()

    def _build_until_current(self) -> None:
        try:
            while explorer.build(self._commands):
                self._is_page_built.set()
        except StackError as failure:
            self._console.error(f"{failure}\nThe earlier page is served.")
        except StoppedError:
            pass

    def _fail_if_ended(self) -> None:
        """Report a service that has ended. Raises StackError for any other process."""
        for name in self._ended_services():
            if name not in self._ended:
                try:
                    self._stack.processes[name].fail_if_ended()
                except StackError as failure:
                    self.report(failure)
        for name, process in self._stack.processes.items():
            if name not in declared().services:
                process.fail_if_ended()

    def _ended_services(self) -> list[str]:
        return [
            name
            for name, process in self._stack.processes.items()
            if name in declared().services and not process.running
        ]


def _forget_compiled(changes: Iterable[Path]) -> None:
    """Remove the compiled form of changed modules.

    Python compares times in whole seconds and lengths: two quick edits can look the same.
    """
    for path in changes:
        if path.suffix == ".py":
            Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)
