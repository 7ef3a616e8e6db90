"""Shows the steps of a command, and the lines of each process behind its name."""

import os
import sys
import threading
from typing import TextIO

_COLOURS = ("36", "35", "32", "33", "34", "31", "96", "95")
_WIDTH = 9


class Console:
    """Writes whole lines from any thread. Colours only on a terminal and without NO_COLOR."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        """A quiet console leaves out the routine lines of processes; they are in the log files."""
        self._stream = stream or sys.stdout
        self._quiet = quiet
        self._lock = threading.Lock()
        self._names: list[str] = []
        self._coloured = self._stream.isatty() and not os.environ.get("NO_COLOR")

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._coloured else text

    def step(self, text: str) -> None:
        self.write(self.paint("==> ", "1;34") + self.paint(text, "1"))

    def line(self, name: str, text: str, *, routine: bool = False, short: str = "") -> None:
        """Write a line of the process `name`. Of a routine one, a quiet console writes `short`."""
        if routine and self._quiet:
            if short:
                self.write(short)
            return
        with self._lock:
            if name not in self._names:
                self._names.append(name)
            colour = _COLOURS[self._names.index(name) % len(_COLOURS)]
        self.write(self.paint(f"{name:>{_WIDTH}} | ", colour) + text)

    def error(self, text: str) -> None:
        self.write(self.paint(text, "1;31"))

    def write(self, text: str) -> None:
        with self._lock:
            try:
                self._stream.write(text + "\n")
                self._stream.flush()
            except (BrokenPipeError, ValueError):
                # The reader has closed the stream. The processes must not stall because of that.
                self._stream = open(os.devnull, "w")  # noqa: PTH123, SIM115
