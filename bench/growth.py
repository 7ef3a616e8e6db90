"""Row 5: how costs grow with the number of tweets, sessions and revocations."""

import itertools
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from bench import sessions
from bench.load import Measured, load
from bench.raw_http import drive
from bench.rounds import Effort, Ratio, medians, rows
from bench.seed import fill
from bench.testbed import Running, Testbed
from bench.timeline import READER, target
from bench.writes import WRITTEN, retweeting

CONNECTIONS = 4
"""Few, so that latency is the time of the request, not of the queue."""


def growth(testbed: Testbed, effort: Effort) -> dict[str, Any]:
    seconds: dict[str, float] = {}
    began = perf_counter()
    services = {size: _seeded(testbed, size, seconds) for size in effort.tweets}
    tweets = _tweets(testbed, services, effort)
    seconds["tweets, seeding included"] = perf_counter() - began
    megabytes = {
        f"the service of {size:,} tweets": one.resident >> 20 for size, one in services.items()
    }
    for one in services.values():
        testbed.end(one)
    began = perf_counter()
    asked, weights = sessions.over_http(testbed, effort)
    alone = sessions.in_process(effort)
    seconds["sessions, signing included"] = perf_counter() - began
    figures = {
        **{f"{name}, {size:,} tweets": one for (name, size), one in tweets.items()},
        **{f"/authorize, {size:,} sessions, as many ended": one for size, one in asked.items()},
        **{f"the same in process, {size:,}": one for size, one in alone.items()},
    }
    few, many = effort.tweets[0], effort.tweets[-1]
    ratios = [
        Ratio(
            f"{name}: {many:,} tweets to {few:,}, median latency",
            tweets[name, many].p50 / tweets[name, few].p50,
            "≤ 1.3",
        )
        for name in ("timeline", "retweet")
    ]
    few, many = effort.sessions[0], effort.sessions[-1]
    ratios += [
        Ratio(
            f"/authorize: {many:,} sessions to {few:,}, processor time",
            asked[many].cpu / asked[few].cpu,
            "≤ 1.3",
        ),
        Ratio(f"the same, rate of {few:,} to {many:,}", asked[few].rate / asked[many].rate),
        Ratio("the same in process", alone[many].cpu / alone[few].cpu),
    ]
    return {
        "title": "Growth",
        "figures": rows(figures),
        "ratios": ratios,
        "megabytes": megabytes,
        "bytes of a known token": weights[many],
        "seconds": {name: round(one, 1) for name, one in seconds.items()},
    }


def _seeded(testbed: Testbed, size: int, seconds: dict[str, float]) -> Running:
    """Start a tweets service on a database with `size` tweets."""
    name = f"tweets_{size}"
    given = testbed.new_database("tweets", name)
    began = perf_counter()
    fill(testbed.superuser_url_of(name), READER, size)
    seconds[f"seeding {size:,} tweets"] = perf_counter() - began
    return testbed.service("tweets", size, **given)


def _tweets(
    testbed: Testbed, services: Mapping[int, Running], effort: Effort
) -> dict[tuple[str, int], Measured]:
    """Alternate between all sizes on one server, so that a disturbance affects each."""
    users = itertools.count(1)
    found: dict[tuple[str, int], list[Measured]] = {
        (name, size): [] for name in ("timeline", "retweet") for size in services
    }
    for number in range(effort.rounds + 1):
        for size, running in services.items():
            read = load(target(running, testbed), seconds=effort.seconds, connections=CONNECTIONS)
            requests = retweeting(testbed, "/graphql", users, size)
            written = drive(running, requests, effort.seconds, CONNECTIONS, containing=WRITTEN)
            if number:  # the first round warms up
                found["timeline", size].append(read)
                found["retweet", size].append(written)
    return {key: medians(all_) for key, all_ in found.items()}
