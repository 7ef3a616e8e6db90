"""One supervised process: its start, its output, its readiness and its end."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from stack import log_lines
from stack.console import Console
from stack.log_lines import IsRoutine
from stack.preload import Preloader

ROOT = Path(__file__).resolve().parents[1]
CHILD_GUARD = Path(__file__).with_name("child_guard.py")

LOGS = "logs"
"""The folder in the data with a log file for each process."""

Probe = Callable[[], bool]


class StackError(Exception):
    """Stops the stack; the message is for the person who started it."""


class StoppedError(Exception):
    """The stack was asked to stop while it was starting."""


class Child(Protocol):
    """A started program: `subprocess.Popen`, or a fork of the preloader."""

    @property
    def pid(self) -> int: ...

    @property
    def stdout(self) -> IO[str] | None: ...

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; `None` while the program runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status. Raises subprocess.TimeoutExpired after `timeout` seconds."""


class Process:
    """A child in a session of its own, so that a Ctrl-C reaches it only through `stop`.

    Start it from a thread that lives as long as it should: on Linux it dies with that thread.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        console: Console,
        environment: Mapping[str, str] | None = None,
        ready: Probe | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        orphan_signal: signal.Signals = signal.SIGKILL,
        as_nobody: bool = False,
        is_routine: IsRoutine = log_lines.none,
        describe: Callable[[str], str] = lambda _: "",
        log: Path | None = None,
        preloader: Preloader | None = None,
    ) -> None:
        """`is_routine` chooses the lines that a quiet console leaves out; `log` takes every line.

        `describe` returns what a quiet console shows instead of a routine line, or "".

        `ask_to_stop` sends `stop_signal`; the kernel sends `orphan_signal` if the supervisor dies.

        With a `preloader` the command must be `python -m MODULE …`, which the preloader forks.
        """
        self.name = name
        self._command = [str(part) for part in command]
        self._console = console
        self._environment = os.environ if environment is None else environment
        self._ready = ready
        self._stop_signal = stop_signal
        self._orphan_signal = orphan_signal
        self._user = "nobody" if as_nobody else "self"
        self._is_routine = is_routine
        self._describe_line = describe
        self._log = log
        self._preloader = preloader
        self._asked = False
        self._child: Child | None = None
        self._reader: threading.Thread | None = None
        self.last_lines: deque[str] = deque(maxlen=20)

    @property
    def pid(self) -> int:
        if self._child is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._child.pid

    @property
    def program(self) -> str:
        """The path of the program that runs."""
        return self._command[0]

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        return None if self._child is None else self._child.poll()

    @property
    def health_url(self) -> str:
        """The address that answers 200 while the process is ready, or an empty string."""
        return self._ready.url if isinstance(self._ready, HttpProbe) else ""

    def start(self) -> None:
        self.last_lines.clear()
        if self._log:
            self._log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._asked = False
        self._child = self._fork() if self._preloader else self._execute()
        self._reader = threading.Thread(target=self._read, args=(self._child,), daemon=True)
        self._reader.start()

    def _execute(self) -> Child:
        guard = [sys.executable, "-I", "-S", str(CHILD_GUARD)]
        terms = [str(os.getpid()), str(int(self._orphan_signal)), self._user, "--"]
        return subprocess.Popen(
            [*guard, *terms, *self._command],
            cwd=ROOT,
            env=dict(self._environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def _fork(self) -> Child:
        assert self._preloader is not None  # noqa: S101 - the caller has asked
        _, _, module, *arguments = self._command
        return self._preloader.fork(module, arguments, self._environment, self._orphan_signal)

    def _read(self, child: Child) -> None:
        assert child.stdout is not None  # noqa: S101 - it was asked for
        path = self._log or Path(os.devnull)
        with child.stdout as output, path.open("a", errors="replace") as log:
            for line in output:
                text = line.rstrip("\n")
                self.last_lines.append(text)
                log.write(f"{text}\n")
                log.flush()
                routine = self._is_routine(text)
                short = self._describe_line(text) if routine else ""
                self._console.line(self.name, text, routine=routine, short=short)

    def wait_until_ready(self, interrupted: threading.Event, timeout: float = 60) -> None:
        """Raises StackError when the process ends, or is not ready after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not (self._ready is None or self._ready()):
            self.fail_if_ended()
            if time.monotonic() > deadline:
                raise StackError(self._describe(f"is not ready after {timeout:.0f} seconds"))
            if interrupted.wait(0.03):
                raise StoppedError
        self.fail_if_ended()

    def wait_until_done(self, interrupted: threading.Event) -> None:
        """Wait for the end of a command. Raises StackError unless it succeeds."""
        while self.running:
            if interrupted.wait(0.02):
                raise StoppedError
        if self.exit_code:
            raise StackError(self._describe(_describe_end(self.exit_code)))

    def fail_if_ended(self) -> None:
        """Raises StackError, with the last lines of the process."""
        if not self.running:
            raise StackError(self._describe(_describe_end(self.exit_code or 0)))

    def _describe(self, fact: str) -> str:
        if self._reader is not None:
            self._reader.join(1)
        lines = [f"    {line}" for line in self.last_lines] or ["    (it wrote nothing)"]
        return "\n".join([f"{self.name} {fact}. Its last lines:", *lines])

    def ask_to_stop(self) -> None:
        """Send the stop signal once; some programs exit hard at a second one."""
        if self._child is not None and self.running and not self._asked:
            self._asked = True
            with suppress(ProcessLookupError):  # it may have ended since
                os.kill(self._child.pid, self._stop_signal)

    def stop(self, grace: float = 10) -> None:
        """Return when the process has ended; it is killed after `grace` seconds."""
        self.ask_to_stop()
        if self._child is None:
            return
        try:
            self._child.wait(grace)
        except subprocess.TimeoutExpired:
            self._console.error(f"{self.name} did not stop in {grace:.0f} seconds: killed")
        self.kill()

    def kill(self) -> None:
        """End the process and what it started in its session, at once."""
        if self._child is None:
            return
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # macOS: PermissionError for a zombie
            if self.running:
                os.kill(self._child.pid, signal.SIGKILL)
        self._child.wait()
        if self._reader is not None:
            # Or it would write to a console that the caller may close next.
            self._reader.join(5)


def log_file(data: Path, name: str) -> Path:
    """Return the file that takes the lines of the process `name`."""
    return data / LOGS / f"{name}.log"


def _describe_end(exit_code: int) -> str:
    if exit_code < 0:
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"ended with status {exit_code}"


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """True while a GET of the address is answered with 200."""

    url: str

    def __call__(self) -> bool:
        try:
            with DIRECT.open(self.url, timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError, ValueError):
            return False


DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks no proxy: every address is one of this machine."""
