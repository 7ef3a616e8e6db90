"""Row 5: what grows with the number of tweets, sessions and revocations, and what does not."""

import asyncio
import itertools
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID

import psutil

from bench.filling import fill
from bench.load import Measured, load
from bench.rounds import Effort, Ratio, rows
from bench.stand import Stand
from bench.timeline import READER, target
from bench.writes import drive, retweeting
from chassis.principal import Principal
from subgraphs.auth.authorize import Authorizer
from subgraphs.auth.verification import Verification

REDIS_KEEPS = 3600.0


def growth(stand: Stand, effort: Effort) -> dict[str, Any]:
    tweets = stand.service("tweets")
    auth = stand.service("auth")
    people = itertools.count(1)
    figures: dict[str, Measured] = {}
    filled = 0
    for size in effort.tweets:
        fill(stand.superuser_url, READER, filled, size)
        filled = size
        read, written = [], []
        load(target(tweets, stand), seconds=2, connections=4)
        for _ in range(effort.rounds):
            # Few at a time, so that it is the request that takes its time and not the queue.
            read.append(load(target(tweets, stand), seconds=effort.seconds, connections=4))
            wires = retweeting(stand, "/graphql", people, size)
            written.append(drive(tweets, wires, effort.seconds, connections=4))
        figures[f"timeline, {size:,} tweets"] = _medians(read)
        figures[f"retweet, {size:,} tweets"] = _medians(written)
    for size in effort.sessions:
        figures[f"/authorize in process, {size:,} sessions, as many ended"] = asyncio.run(
            authorize(size, effort)
        )
    smallest, largest = effort.tweets[0], effort.tweets[-1]
    few, many = effort.sessions[0], effort.sessions[-1]
    ratios = [
        Ratio(
            f"{name}: {largest:,} tweets to {smallest:,}, median latency",
            figures[f"{name}, {largest:,} tweets"].p50
            / figures[f"{name}, {smallest:,} tweets"].p50,
            "≤ 1.3",
        )
        for name in ("timeline", "retweet")
    ]
    ratios.append(
        Ratio(
            f"/authorize: {many:,} sessions to {few:,}",
            figures[f"/authorize in process, {many:,} sessions, as many ended"].p50
            / figures[f"/authorize in process, {few:,} sessions, as many ended"].p50,
            "≤ 1.3",
        )
    )
    megabytes = {
        one.name: psutil.Process(one.process.pid).memory_info().rss >> 20 for one in (tweets, auth)
    }
    return {
        "title": "Growth",
        "figures": rows(figures),
        "ratios": ratios,
        "megabytes": megabytes,
    }


class _Ended:
    """What a current feed of revocations is to the authoriser."""

    is_current = True

    def __init__(self, sessions: Sequence[str]) -> None:
        self._ended = dict.fromkeys(sessions, REDIS_KEEPS)

    def has_ended(self, session_id: str) -> bool:
        return session_id in self._ended


async def authorize(sessions: int, effort: Effort) -> Measured:
    """Known tokens in turn, each of a session of its own; as many other sessions have ended."""
    until = datetime.now(UTC) + timedelta(minutes=15)

    def verify(token: str) -> Principal:
        known = UUID(token)
        return Principal(known, "somebody", frozenset({"tweets:read"}), known, until)

    async def live(_: Collection[UUID]) -> Collection[UUID]:
        raise AssertionError

    ended = _Ended([str(UUID(int=(1 << 100) | n)) for n in range(sessions)])
    authorizer = Authorizer(Verification(verify, ended, live, cache_size=sessions + 1))
    scopes = [
        {"headers": [(b"authorization", f"Bearer {UUID(int=n)}".encode())]} for n in range(sessions)
    ]
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    for scope in scopes:
        await authorizer(scope, receive, send)
    took = []
    for _ in range(effort.rounds):
        sent.clear()
        turns = list(itertools.islice(itertools.cycle(scopes), 100_000))
        began = perf_counter()
        for scope in turns:
            await authorizer(scope, receive, send)
        took.append((perf_counter() - began) / len(turns))
        assert all(message.get("status", 200) == 200 for message in sent)
    each = median(took)
    return Measured(1 / each, each * 1000, max(took) * 1000, each * 1e6)


def _medians(found: list[Measured]) -> Measured:
    return Measured(*(median(getattr(m, n) for m in found) for n in ("rate", "p50", "p99", "cpu")))
