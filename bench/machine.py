"""Describe the machine of a measurement, and the load that other programs put on it."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import psutil

from bench.load import tool

QUIET = 0.1
"""Cores. While other programs use less, rates are reliable, not only ratios."""

_NO_WORK = ("idle", "iowait", "guest", "guest_nice")  # a guest's are in `user` and `nice` as well


@contextmanager
def observed() -> Iterator[dict[str, object]]:
    """Yield the machine's description; complete once the block and its processes have ended."""
    found = machine()
    began, busy, ours = perf_counter(), _busy(), _ours()
    yield found
    took = perf_counter() - began
    # Not the load average: it counts the measured processes, and the row before.
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
    """Return the processor time of the whole machine so far, in seconds."""
    times = psutil.cpu_times()
    return sum(times) - sum(getattr(times, name, 0) for name in _NO_WORK)


def _ours() -> float:
    """Return the processor time of this process and of its children that have ended, in seconds."""
    return sum(os.times()[:4])
