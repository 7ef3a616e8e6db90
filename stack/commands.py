"""Runs commands to their end and shows what they write."""

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from stack.console import Console
from stack.process import Process

Command = Sequence[str | Path]
Environment = Mapping[str, str]


class Commands:
    """Commands end early when `interrupted` is set."""

    def __init__(self, console: Console, interrupted: threading.Event) -> None:
        self.console = console
        self.interrupted = interrupted

    def run(self, name: str, *command: str | Path, environment: Environment | None = None) -> None:
        """Raises StackError unless the command succeeds, StoppedError when it has to stop."""
        self.run_all({name: (command, os.environ if environment is None else environment)})

    def run_all(self, commands: Mapping[str, tuple[Command, Environment]]) -> None:
        """The same for several, side by side."""
        processes = [
            Process(name, command, console=self.console, environment=environment)
            for name, (command, environment) in commands.items()
        ]
        try:
            for process in processes:
                process.start()
            for process in processes:
                process.wait_until_done(self.interrupted)
        finally:
            for process in processes:
                process.kill()
