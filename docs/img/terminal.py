"""Records `make up` and `make demo` as text in this folder: `python -m docs.img.terminal`.

`terminal.cast` has every byte with its time (asciinema plays it), `terminal.txt` what is left on
the screen at the end. It starts the system of this copy of the repository, with its `.env`; nothing
may run on its ports. Run `make up` once before, so that nothing is installed meanwhile.
"""

import codecs
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from select import select

from stack.process import ROOT

COLUMNS, ROWS = 100, 40
CAST = Path(__file__).with_name("terminal.cast")
TEXT = Path(__file__).with_name("terminal.txt")

_UP = re.compile(r"Ctrl-C stops|is up\b")
_QUIET = 3.0
"""Seconds without output after which a started system has printed its closing lines."""
_LONGEST = 300.0  # seconds


@dataclass
class Recording:
    """What a terminal has shown, with the second at which it came."""

    events: list[tuple[float, str]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def add(self, text: str) -> None:
        self.events.append((round(time.monotonic() - self.started, 3), text))

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.events)

    def cast(self) -> str:
        """Return the recording in the format asciicast v2."""
        header = {"version": 2, "width": COLUMNS, "height": ROWS, "title": "make up, make demo"}
        lines = [header, *([at, "o", text] for at, text in self.events)]
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


class Shown:
    """The lines that a terminal shows, for output that moves the cursor as progress bars do."""

    _PARTS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|[\r\n]|[^\x1b\r\n]+|\x1b")

    def __init__(self) -> None:
        self.lines = [""]
        self._row = self._column = 0

    def write(self, output: str) -> None:
        for part in self._PARTS.findall(output):
            if part == "\n":
                self._move(self._row + 1)
            elif part == "\r":
                self._column = 0
            elif part.startswith("\x1b"):
                self._control(part)
            else:
                line = self.lines[self._row].ljust(self._column)
                self.lines[self._row] = (
                    line[: self._column] + part + line[self._column + len(part) :]
                )
                self._column += len(part)

    def _control(self, sequence: str) -> None:
        count = int(re.sub(r"\D.*", "", sequence[2:]) or 0)
        line = self.lines[self._row]
        match sequence[-1]:
            case "A":
                self._move(max(0, self._row - (count or 1)))
            case "B":
                self._move(self._row + (count or 1))
            case "G":
                self._column = max(0, count - 1)
            case "K" if count == 0:
                self.lines[self._row] = line[: self._column]
            case "K":
                self.lines[self._row] = ""
            case "J":
                self.lines[self._row :] = [line[: self._column]]
            case _:
                pass  # colours and the like

    def _move(self, row: int) -> None:
        self.lines += [""] * (row + 1 - len(self.lines))
        self._row = row

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).strip("\n") + "\n"


def run(recording: Recording, command: str) -> tuple[subprocess.Popen[bytes], Iterator[str]]:
    """Start a command in a terminal; return it and its output, which is recorded as it comes.

    The output yields an empty string for each moment of silence.
    """
    ours, its = pty.openpty()
    environment = os.environ | {"COLUMNS": str(COLUMNS), "LINES": str(ROWS), "TERM": "xterm"}
    recording.add(f"$ {command}\r\n")
    process = subprocess.Popen(
        command.split(), cwd=ROOT, env=environment, stdin=its, stdout=its, stderr=its,
        start_new_session=True,
    )  # fmt: skip
    os.close(its)

    def output() -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a read may end in a character
        while True:
            if not select([ours], [], [], _QUIET)[0]:
                yield ""
                continue
            try:
                data = os.read(ours, 65536)
            except OSError:  # the other end is closed
                data = b""
            if not data:
                os.close(ours)
                return
            text = decoder.decode(data)
            recording.add(text)
            yield text

    return process, output()


def record() -> Recording:
    """Start the system, run the demonstration beside it, stop the system."""
    recording = Recording()
    system, output = run(recording, "make up")
    try:
        for text in output:
            if system.poll() is not None:
                raise SystemExit(f"make up has ended:\n{recording.text}")
            if time.monotonic() - recording.started > _LONGEST:
                raise SystemExit(f"make up takes too long:\n{recording.text}")
            if not text and _UP.search(recording.text):
                break
        demo, shown = run(recording, "make demo")
        for _ in shown:
            pass
        if demo.wait():
            raise SystemExit(f"make demo has failed:\n{recording.text}")
    finally:
        recording.add("^C\r\n")
        os.killpg(system.pid, signal.SIGINT)
        for _ in output:
            pass
        system.wait()
    return recording


def main() -> None:
    recording = record()
    shown = Shown()
    shown.write(recording.text)
    home = str(ROOT)  # a path of this machine says nothing to a reader
    CAST.write_text(recording.cast().replace(home, "~"))
    TEXT.write_text(shown.text.replace(home, "~"))
    sys.stdout.write(f"{CAST}\n{TEXT}\n")


if __name__ == "__main__":
    main()
