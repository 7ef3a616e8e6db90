"""Runs commands to their end."""

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from stack import log_lines
from stack.console import Console
from stack.preload import Preloader
from stack.process import Process

Command = Sequence[str | Path]
Environment = Mapping[str, str]


class Commands:
    """Runs commands, which end early when `interrupted` is set.

    A quiet console shows the lines of a command only when the command fails.
    """

    def __init__(self, console: Console, interrupted: threading.Event) -> None:
        self.console = console
        self.interrupted = interrupted

    def run(self, name: str, *command: str | Path, environment: Environment | None = None) -> None:
        """Raises StackError unless the command succeeds, StoppedError when it is interrupted."""
        self.run_all({name: (command, os.environ if environment is None else environment)})

    def run_all(
        self,
        commands: Mapping[str, tuple[Command, Environment]],
        preloader: Preloader | None = None,
    ) -> None:
        """Run several commands side by side; the rest is as in `run`."""
        processes = [
            Process(
                name,
                command,
                console=self.console,
                environment=environment,
                is_routine=log_lines.every,
                preloader=preloader,
            )
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
