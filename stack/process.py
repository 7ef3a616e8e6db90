"""One supervised process: its start, its output, whether it is ready, and its end."""

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
from pathlib import Path

from stack.console import Console

ROOT = Path(__file__).resolve().parents[1]
CHILD_GUARD = Path(__file__).with_name("child_guard.py")

Probe = Callable[[], bool]


class StackError(Exception):
    """Something that stops the stack; the message is for whoever started it."""


class StoppedError(Exception):
    """The stack was asked to stop while it was starting."""


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
        shown: bool = True,
    ) -> None:
        self.name = name
        self._command = [str(part) for part in command]
        self._console = console
        self._environment = os.environ if environment is None else environment
        self._ready = ready
        self._stop_signal = stop_signal
        self._orphan_signal = orphan_signal
        self._user = "nobody" if as_nobody else "self"
        self._shown = shown
        self._asked = False
        self._popen: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self.last_lines: deque[str] = deque(maxlen=20)

    @property
    def pid(self) -> int:
        if self._popen is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        return None if self._popen is None else self._popen.poll()

    def start(self) -> None:
        guard = [sys.executable, "-I", "-S", str(CHILD_GUARD)]
        terms = [str(os.getpid()), str(int(self._orphan_signal)), self._user, "--"]
        self.last_lines.clear()
        self._asked = False
        self._popen = subprocess.Popen(
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
        self._reader = threading.Thread(target=self._read, args=(self._popen,), daemon=True)
        self._reader.start()

    def _read(self, popen: subprocess.Popen[str]) -> None:
        assert popen.stdout is not None  # noqa: S101 - it was asked for
        with popen.stdout as output:
            for line in output:
                self.last_lines.append(line.rstrip("\n"))
                if self._shown:
                    self._console.line(self.name, line.rstrip("\n"))

    def wait_until_ready(self, interrupted: threading.Event, timeout: float = 60) -> None:
        """Raises StackError when it ends before, or is not ready after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not (self._ready is None or self._ready()):
            self.fail_if_ended()
            if time.monotonic() > deadline:
                raise StackError(self._account(f"is not ready after {timeout:.0f} seconds"))
            if interrupted.wait(0.03):
                raise StoppedError
        self.fail_if_ended()

    def wait_until_done(self, interrupted: threading.Event) -> None:
        """For a command with an end. Raises StackError unless it succeeds."""
        while self.running:
            if interrupted.wait(0.02):
                raise StoppedError
        if self.exit_code:
            raise StackError(self._account(_describe_end(self.exit_code)))

    def fail_if_ended(self) -> None:
        if not self.running:
            raise StackError(self._account(_describe_end(self.exit_code or 0)))

    def _account(self, fact: str) -> str:
        if self._reader is not None:
            self._reader.join(1)
        lines = [f"    {line}" for line in self.last_lines] or ["    (it wrote nothing)"]
        return "\n".join([f"{self.name} {fact}. Its last lines:", *lines])

    def ask_to_stop(self) -> None:
        """Sends the signal once; some programs take a second one as an order to die."""
        if self._popen is not None and self.running and not self._asked:
            self._asked = True
            self._popen.send_signal(self._stop_signal)

    def stop(self, grace: float = 10) -> None:
        """Returns when the process is gone; after `grace` seconds it is killed."""
        self.ask_to_stop()
        if self._popen is None:
            return
        try:
            self._popen.wait(grace)
        except subprocess.TimeoutExpired:
            self._console.error(f"{self.name} did not stop in {grace:.0f} seconds: killed")
        self.kill()

    def kill(self) -> None:
        """Ends the process and what it started in its session, at once."""
        if self._popen is None:
            return
        try:
            os.killpg(self._popen.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # macOS says the latter of a zombie
            self._popen.kill()
        self._popen.wait()
        if self._reader is not None:
            # Or it would write to a console that the caller may close next.
            self._reader.join(5)


def _describe_end(exit_code: int) -> str:
    if exit_code < 0:
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"ended with status {exit_code}"


def answers(url: str) -> Probe:
    """True while a GET of the address gives a 200."""

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def probe() -> bool:
        try:
            with opener.open(url, timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError, ValueError):
            return False

    return probe
