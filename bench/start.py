"""Row "start": from `make up` on existing data to the first answer, on a separate stack."""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from bench.rounds import Effort, Ratio
from bench.testbed import ROOT, Testbed
from client.api import Account, ApiError, connect, run, sign_up
from deploy.dotenv import read
from stack.environment import EXAMPLE, on_free_ports

ACROSS = "{ me { username tweets(first: 1) { pageInfo { hasNextPage } } } }"
"""A query that both subgraphs answer, for a signed-in user."""

WANTED = 3.0
"""Seconds until the first answer of a second start."""
LONGEST = 300.0
"""Seconds after which a start has failed."""

_STEP = re.compile(r"==> (Starting [^(\n]*[^ (\n]).*  (\d+\.\d) s$")


class NoStartError(Exception):
    """`make up` ended, or no answer came in time; the message is its output."""


def start(testbed: Testbed, effort: Effort) -> dict[str, Any]:
    """Measure starts: the first one creates the data, the others find it."""
    testbed.stop()  # its servers are not measured
    made = _MakeUp(testbed.data / "up")
    with made.started("{ __typename }") as first:
        user = sign_up(made.http)
    seconds, steps = [], []
    for _ in range(max(3, effort.rounds)):
        with made.started(ACROSS, user) as one:
            seconds.append(one.seconds)
            steps.append(one.steps)
    middle = median(seconds)
    rows = [
        {"name": "a second `make up` to the first answer", "seconds": middle},
        {"name": "the slowest of them", "seconds": max(seconds)},
        {
            "name": "the first (creates the data and, in a fresh checkout, installs packages)",
            "seconds": first.seconds,
        },
    ]
    rows += [
        {
            "name": f"in a second one: {step}",
            "seconds": median(one[step] for one in steps if step in one),
        }
        for step in steps[0]
    ]
    return {
        "title": "Start",
        "figures": rows,
        "ratios": [Ratio("a second `make up` to the first answer", middle, f"≤ {WANTED:g} s", "s")],
    }


class _Started:
    """One start: its output, its steps and the time of the first answer."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.seconds = 0.0
        self.last_lines: list[str] = []
        self.steps: dict[str, float] = {}
        """The seconds of each step, as it shows them when it ends."""

    def listen(self, output: Iterator[str]) -> None:
        for line in output:
            self.last_lines = [*self.last_lines[-20:], line]
            if found := _STEP.match(line):
                if not self.steps:
                    before = time.perf_counter() - self.began - float(found[2])
                    self.steps["make, imports, what has changed"] = before
                self.steps[found[1]] = float(found[2])


class _MakeUp:
    """`make up` with separate data, settings and ports, so that another stack may run."""

    def __init__(self, data: Path) -> None:
        settings = data.with_suffix(".env")
        ports = on_free_ports()
        settings.touch(mode=0o600)
        settings.write_text("".join(f"{name}={port}\n" for name, port in ports.items()))
        stack = [sys.executable, "-m", "stack", "--settings", settings, "--data", data]
        self._command = ["make", "up", f"STACK={shlex.join(map(str, stack))}"]
        ours = {*read(EXAMPLE), "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
        self._environment = {k: v for k, v in os.environ.items() if k not in ours}
        self.http = connect(f"http://127.0.0.1:{ports['EDGE_PORT']}", seconds=10)

    @contextmanager
    def started(self, query: str, user: Account | None = None) -> Iterator[_Started]:
        """Run `make up` during the block, which begins when the query is answered.

        Raises NoStartError.
        """
        one = _Started()
        running = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert running.stdout is not None
        reader = threading.Thread(target=one.listen, args=(running.stdout,), daemon=True)
        reader.start()
        try:
            while not self._answers(query, user):
                if running.poll() is not None or time.perf_counter() > one.began + LONGEST:
                    raise NoStartError("".join(one.last_lines))
                time.sleep(0.02)
            one.seconds = time.perf_counter() - one.began
            yield one
        finally:
            os.killpg(running.pid, signal.SIGINT)
            running.wait(60)
            reader.join(5)

    def _answers(self, query: str, user: Account | None) -> bool:
        try:
            run(self.http, query, user)
        except (ApiError, httpx.TransportError):
            return False
        return True
