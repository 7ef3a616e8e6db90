"""The last line of a terminal: the steps in progress, with the seconds that they have taken."""

import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TextIO

_FRAMES = "|/-\\"
_PERIOD = 0.2  # seconds


@dataclass(eq=False)
class Step:
    """Something that takes a while."""

    text: str
    detail: str = ""
    """How far it has come: `43 %`."""
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def __str__(self) -> str:
        return " ".join(filter(None, (self.text, self.detail, f"{self.seconds:.0f} s")))


class LiveLine:
    """Draws the line again and again on a thread, which ends with the last step.

    `lock` is held by every writer to the stream.
    """

    def __init__(self, stream: TextIO, lock: "threading.RLock") -> None:
        self._stream = stream
        self._lock = lock
        self._steps: list[Step] = []
        self._is_drawn = False
        self._frame = 0

    def add(self, step: Step) -> None:
        with self._lock:
            self._steps.append(step)
            if len(self._steps) == 1:
                threading.Thread(target=self._draw_repeatedly, daemon=True).start()

    def remove(self, step: Step) -> None:
        with self._lock:
            self._steps.remove(step)
            self.erase()

    def erase(self) -> None:
        """Remove the line, so that another can be written in its place."""
        with self._lock:
            if self._is_drawn:
                self._stream.write("\r\x1b[K")
                self._is_drawn = False

    def _draw_repeatedly(self) -> None:
        while True:
            with self._lock:
                if not self._steps:
                    return
                with suppress(OSError, ValueError):  # the reader has closed the stream
                    self._draw()
            time.sleep(_PERIOD)

    def _draw(self) -> None:
        self._frame += 1
        steps = ", ".join(map(str, self._steps))
        text = f"{_FRAMES[self._frame % len(_FRAMES)]}   {steps}"
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[K{text[:width]}")
        self._stream.flush()
        self._is_drawn = True
