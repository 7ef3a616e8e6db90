"""Measure several targets in alternating rounds, so that a disturbance affects all of them."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bench.load import Measured, Target, load

FIGURES = ("rate", "p50", "p99", "cpu")


@dataclass(frozen=True, slots=True)
class Effort:
    """Number of rounds, seconds per target and round, connections, and sizes of the seeded data."""

    rounds: int
    seconds: float
    connections: int
    tweets: tuple[int, ...]
    sessions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """A line of the report: the ratio of two results (unit "x") or a figure in `unit`.

    `what` is its label, `target` the goal if there is one.
    """

    what: str
    value: float
    target: str = ""
    unit: str = "x"


def measure(targets: Mapping[str, Target], effort: Effort) -> dict[str, Measured]:
    """Return, for each target, the median of each figure over the rounds, after a warm-up."""
    found: dict[str, list[Measured]] = {name: [] for name in targets}
    for target in targets.values():
        load(target, seconds=min(2, effort.seconds), connections=effort.connections)
    for number in range(effort.rounds):
        # Each round starts with another target.
        names = list(targets)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            one = load(targets[name], seconds=effort.seconds, connections=effort.connections)
            found[name].append(one)
            time.sleep(0.1)
    return {name: medians(values) for name, values in found.items()}


def medians(values: list[Measured]) -> Measured:
    return Measured(
        **{name: statistics.median(getattr(v, name) for v in values) for name in FIGURES}
    )


def rows(figures: Mapping[str, Measured]) -> list[dict[str, Any]]:
    return [{"name": name, **asdict(figure)} for name, figure in figures.items()]
