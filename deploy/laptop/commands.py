"""Runs a command to its end and shows what it writes."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.laptop.console import Console
from deploy.laptop.process import Process


class Commands:
    """Commands end early when the stack is asked to stop."""

    def __init__(self, console: Console, interrupted: threading.Event) -> None:
        self.console = console
        self.interrupted = interrupted

    def run(
        self,
        name: str,
        *command: str | Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Raises Failed unless the command succeeds."""
        self.run_all({name: command}, environment=environment)

    def run_all(
        self,
        commands: Mapping[str, Sequence[str | Path]],
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """The same for several side by side."""
        processes = [
            Process(name, command, console=self.console, environment=environment)
            for name, command in commands.items()
        ]
        try:
            for process in processes:
                process.start()
            for process in processes:
                process.wait_until_done(self.interrupted)
        finally:
            for process in processes:
                process.kill()
