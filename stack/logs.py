"""`make logs`: follows the log files of the processes."""

import threading
from collections import deque
from pathlib import Path
from typing import TextIO

from stack.console import Console
from stack.process import LOGS, StackError

_POLL = 0.2  # seconds
_SHOWN = 10
"""How many lines of each file are shown before those that follow."""


def follow(data: Path, service: str, console: Console, interrupted: threading.Event) -> None:
    """Show the last lines of every log file, or of one, and those that are added.

    Raises StackError when there is no such file.
    """
    folder = data / LOGS
    if not (names := _names(folder)):
        raise StackError("There are no logs. Start the stack: make up")
    if service and service not in names:
        raise StackError(f"There is no log of {service!r}. There are: {', '.join(names)}")
    files: dict[str, _Followed] = {}
    while True:
        for name in [service] if service else _names(folder):
            if name not in files:
                files[name] = _Followed(folder / f"{name}.log")
            for line in files[name].new_lines():
                console.line(name, line)
        if interrupted.wait(_POLL):
            return


def _names(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("*.log"))


class _Followed:
    """A file that is appended to, and made anew when the stack starts again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._inode = 0
        self._begun = ""

    def new_lines(self) -> list[str]:
        """Return the whole lines since the last call; at the first call, the last ones."""
        first = self._file is None
        lines = self._read()
        if (inode := self._current_inode()) and inode != self._inode:
            if self._file is not None:
                self._file.close()
            self._file = self._path.open(errors="replace")
            self._inode, self._begun = inode, ""
            lines += self._read()
        return list(deque(lines, maxlen=_SHOWN)) if first else lines

    def _read(self) -> list[str]:
        if self._file is None:
            return []
        *lines, self._begun = (self._begun + self._file.read()).split("\n")
        return lines

    def _current_inode(self) -> int:
        try:
            return self._path.stat().st_ino
        except FileNotFoundError:
            return 0
