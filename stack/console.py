"""Shows the steps of a command, and the lines of each process behind its name."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from stack.live_line import LiveLine, Step

_COLOURS = ("36", "35", "32", "33", "34", "31", "96", "95")
_WIDTH = 9


class Console:
    """Writes whole lines from any thread. Colours only on a terminal and without NO_COLOR.

    On a terminal the last line shows the steps in progress; elsewhere there are plain lines only.
    """

    def __init__(
        self, stream: TextIO | None = None, *, quiet: bool = False, live: bool = True
    ) -> None:
        """A quiet console leaves out the routine lines of processes; they are in the log files.

        Without `live` it shows no line in progress: another program writes to the same terminal.
        """
        self._stream = stream or sys.stdout
        self._quiet = quiet
        self._lock = threading.RLock()
        self._names: list[str] = []
        self.is_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._coloured = self.is_terminal and not os.environ.get("NO_COLOR")
        self._live = LiveLine(self._stream, self._lock) if live and self.is_terminal else None

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._coloured else text

    def step(self, text: str) -> None:
        self.write(self.paint("==> ", "1;34") + self.paint(text, "1"))

    @contextmanager
    def timed_step(self, text: str) -> Iterator[Step]:
        """Show a step in progress, and its time when the block has ended.

        The block may set `detail` of the step. An exception shows nothing: its message says more.
        """
        step = Step(text)
        if self._live:
            self._live.add(step)
        try:
            yield step
        finally:
            if self._live:
                self._live.remove(step)
        seconds = self.paint(f"{step.seconds:.1f} s", "2")
        parts = [self.paint(text, "1"), step.detail, seconds]
        self.write(self.paint("==> ", "1;34") + "  ".join(filter(None, parts)))

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
                if self._live:
                    self._live.erase()
                elif self.is_terminal:
                    self._stream.write("\r\x1b[K")  # the line of another program
                self._stream.write(text + "\n")
                self._stream.flush()
            except (BrokenPipeError, ValueError):
                # The reader has closed the stream. The processes must not stall because of that.
                self._live = None
                self._stream = open(os.devnull, "w")  # noqa: PTH123, SIM115
