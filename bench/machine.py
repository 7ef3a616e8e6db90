"""The machine that a row was measured on, and what others did on it meanwhile."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import psutil

from bench.load import tool

QUIET = 0.1
"""Cores. While others use less, rates can be believed and not only ratios."""

_NO_WORK = ("idle", "iowait", "guest", "guest_nice")  # a guest's are in `user` and `nice` as well


@contextmanager
def observed() -> Iterator[dict[str, object]]:
    """What is known when the block has ended, and with it all that it started."""
    found = machine()
    began, busy, ours = perf_counter(), _busy(), _ours()
    yield found
    took = perf_counter() - began
    # No load average: it would count what is measured, and the row before.
    others = max(0.0, _busy() - busy - (_ours() - ours)) / took
    found |= {"took": round(took, 1), "cores of others": round(others, 2)}


def machine() -> dict[str, object]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load by": tool(),
    }


def _busy() -> float:
    """Seconds of processor time that the whole machine has spent on anything."""
    times = psutil.cpu_times()
    return sum(times) - sum(getattr(times, name, 0) for name in _NO_WORK)


def _ours() -> float:
    """Those of this process and of the processes that it started and that have ended."""
    return sum(os.times()[:4])
