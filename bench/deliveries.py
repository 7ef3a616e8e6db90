"""Measure one delivery of the live feed beside three references: `python -m bench.deliveries`.

In one run, in alternating rounds: ours through the edge; ours without it; a bare echo of Redis
(`bench/echo.py`); a feed from memory on the same uvicorn (`bench/memory_feed.py`). Events are added
to the stream as the relay adds them, so no write is measured with them. Two cases: an event to a
thousand devices of one person, each with a session of its own, and a thousand events in one burst,
each to the only device of another person.
"""

import argparse
import asyncio
import json
import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import psutil
import uvloop
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from bench.__main__ import RESULTS
from bench.echo import CHANNEL, CHANNEL_OF_ONE
from bench.machine import observed
from bench.sessions import SignedIn, sign_in, store
from bench.sockets import Crowd, Dialogue, allow, subscription
from bench.testbed import Running, Testbed, running_testbed
from chassis.app import STREAM_PATH
from chassis.streams import FIELD
from client.api import bearer
from client.documents import TWEET_FEED
from subgraphs.tweets.domain import Author, Tweet
from subgraphs.tweets.events import STREAM, tweet_created

if TYPE_CHECKING:
    from uuid import UUID

SETTINGS = {"TWEETS_STREAMS_PER_USER": "100000"}
_WARM_UP = 2


class Feed(Protocol):
    """One of the systems that are compared."""

    @property
    def name(self) -> str: ...

    @property
    def processes(self) -> Sequence[Running]:
        """The processes whose price is measured."""

    def dialogues(self, one_person: bool) -> list[Dialogue]:
        """Return the sockets: devices of one person, or those of as many persons."""

    async def publish(self, texts: Sequence[str], one_person: bool) -> None:
        """Send one text to all devices of one person, or each text to another person."""


def processor_seconds(running: Running) -> float:
    """Return the time on a processor, of all threads, to the nanosecond where Linux has it."""
    threads = Path(f"/proc/{running.process.pid}/task")
    try:
        return sum(int((t / "schedstat").read_text().split()[0]) for t in threads.iterdir()) / 1e9
    except OSError:
        times = psutil.Process(running.process.pid).cpu_times()
        return float(times.user + times.system)


@dataclass
class People:
    """Those who subscribe to one tweets process."""

    persons: list[SignedIn]
    devices: list[SignedIn]
    """Of one more person."""


class Stream:
    """The stream of events, to which tweets are added as the relay adds them."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._positions: defaultdict[UUID, int] = defaultdict(int)

    async def add(self, texts: Sequence[str], authors: Sequence[SignedIn]) -> None:
        events = [self._event(text, author) for text, author in zip(texts, authors, strict=True)]
        async with self._redis.pipeline(transaction=False) as pipeline:
            for event in events:
                pipeline.xadd(STREAM, {FIELD: event}, maxlen=10_000)
            await pipeline.execute()

    def _event(self, text: str, author: SignedIn) -> str:
        user = author.user
        self._positions[user.id] += 1
        tweet = Tweet(uuid7(), Author(user.id, user.username), text, datetime.now(UTC))
        return tweet_created(tweet, self._positions[user.id]).to_json()


@dataclass
class Ours:
    """A tweets process, behind an edge or not."""

    name: str
    processes: Sequence[Running]
    url: str
    people: People
    stream: Stream
    headers: tuple[tuple[str, str], ...] = ()

    def dialogues(self, one_person: bool) -> list[Dialogue]:
        signed_in = self.people.devices if one_person else self.people.persons
        return [
            subscription(self.url, bearer(one.token), TWEET_FEED, self.headers) for one in signed_in
        ]

    async def publish(self, texts: Sequence[str], one_person: bool) -> None:
        authors = self.people.devices[:1] if one_person else self.people.persons
        await self.stream.add(texts, authors)


@dataclass
class Reference:
    """A bare server, whose sockets have a path each."""

    name: str
    processes: Sequence[Running]
    count: int

    @property
    def paths(self) -> list[str]:
        return [f"/{number}" for number in range(self.count)]

    def dialogues(self, one_person: bool) -> list[Dialogue]:
        return [Dialogue(f"{self.processes[0].url}{path}") for path in self.paths]


@dataclass
class Echo(Reference):
    redis: "Redis"

    async def publish(self, texts: Sequence[str], one_person: bool) -> None:
        async with self.redis.pipeline(transaction=False) as pipeline:
            if one_person:
                pipeline.publish(CHANNEL, texts[0])
            else:
                for path, text in zip(self.paths, texts, strict=True):
                    pipeline.publish(CHANNEL_OF_ONE, f"{path} {text}")
            await pipeline.execute()


@dataclass
class Memory(Reference):
    async def publish(self, texts: Sequence[str], one_person: bool) -> None:
        lines = [f"{path} {text}" for path, text in zip(self.paths, texts, strict=not one_person)]
        body, path = (texts[0], "/") if one_person else ("\n".join(lines), "/each")
        url = self.processes[0].url
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http:
            await http.post(path, content=body)


@contextmanager
def running_feeds(count: int) -> Iterator[list[Feed]]:
    with running_testbed() as testbed:
        testbed.settings.update(SETTINGS)
        people = [_people(testbed, count) for _ in range(2)]
        asyncio.run(_store(testbed, people))
        testbed.service("auth")
        first, second = (testbed.service("tweets", number) for number in range(2))
        testbed.settings["TWEETS_ENDPOINTS"] = first.url.removeprefix("http://")
        edge = testbed.edge("edge", "http://127.0.0.1:9")  # no request goes to a router
        redis_url = testbed.settings["REDIS_URL"]
        echo = testbed.python("echo", "bench.echo", REDIS_URL=redis_url)
        memory = testbed.python("memory", "bench.memory_feed")
        redis: Redis = Redis.from_url(redis_url)
        stream = Stream(redis)
        trusted = (("x-router-secret", testbed.secret),)
        yield [
            Ours("edge", [first, edge], f"{edge.url}/graphql", people[0], stream),
            Ours("direct", [second], f"{second.url}{STREAM_PATH}", people[1], stream, trusted),
            Echo("echo", [echo], count, redis),
            Memory("memory", [memory], count),
        ]


def _people(testbed: Testbed, count: int) -> People:
    settings = testbed.settings
    return People(sign_in(settings, count), sign_in(settings, count, one_user=True))


async def _store(testbed: Testbed, people: Sequence[People]) -> None:
    everybody = [one for some in people for one in (*some.persons, *some.devices)]
    await store(testbed.superuser_url_of("auth"), everybody)


@dataclass
class Measured:
    """What was measured of one feed."""

    crowd: Crowd
    took: list[float] = field(default_factory=list)
    used: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    memory: dict[str, float] = field(default_factory=dict)
    idle: dict[str, float] = field(default_factory=dict)
    """Processor seconds that each process uses in a second without events."""


async def measure(feeds: Sequence[Feed], count: int, rounds: int, *, one_person: bool) -> Any:
    """Measure all feeds in alternating rounds."""
    found = {feed.name: Measured(Crowd()) for feed in feeds}
    length = 0
    for feed in feeds:
        measured = found[feed.name]
        before = {running.name: running.own_memory for running in feed.processes}
        await measured.crowd.connect(feed.dialogues(one_person))
        for _ in range(_WARM_UP):
            await asyncio.sleep(0.5)
            await once(feed, measured.crowd, count, length, one_person=one_person)
        length = length or len(measured.crowd.last_text)
        for running in feed.processes:
            grown = running.own_memory - before[running.name]
            measured.memory[running.name] = round(grown / count / 1024, 1)
    for feed in feeds:
        used = _used(feed)
        await asyncio.sleep(1)
        found[feed.name].idle = {name: now - used[name] for name, now in _used(feed).items()}
    for _ in range(rounds):
        for feed in feeds:
            measured, used, began = found[feed.name], _used(feed), perf_counter()
            took = await once(feed, measured.crowd, count, length, one_person=one_person)
            measured.took.append(took)
            await asyncio.sleep(0.02)
            for name, now in _used(feed).items():
                spent = now - used[name] - (perf_counter() - began) * measured.idle[name]
                measured.used[name].append(1e6 * spent / count)
            await asyncio.sleep(0.05)
    for name, measured in found.items():
        if measured.crowd.closings:
            raise RuntimeError(f"Sockets of {name} were closed: {measured.crowd.closings[:3]}")
        await measured.crowd.leave()
    return {
        name: {
            "milliseconds to the last": round(median(measured.took), 2),
            "processor µs for each": {n: round(median(u), 1) for n, u in measured.used.items()},
            "memory, KB for each": measured.memory,
        }
        for name, measured in found.items()
    }


def _used(feed: Feed) -> dict[str, float]:
    return {running.name: processor_seconds(running) for running in feed.processes}


async def once(feed: Feed, crowd: Crowd, count: int, length: int, *, one_person: bool) -> float:
    """Publish once; return the milliseconds until all sockets have their text."""
    marker = f"m{secrets.token_hex(8)}"
    # Padded to the length of ours, which are the first that are measured.
    texts = [marker if feed.name in {"edge", "direct"} else marker.rjust(length, ".")]
    arrivals = crowd.expect(marker.encode(), count)
    began = perf_counter()
    await feed.publish(texts if one_person else texts * count, one_person)
    times = await asyncio.wait_for(arrivals, 60)
    return 1000 * (times[-1] - began)


def run(count: int, rounds: int) -> dict[str, Any]:
    found: dict[str, Any] = {"subscribers": count}
    with observed() as found["run"], running_feeds(count) as feeds:
        found["run"] |= {"rounds": rounds, "load by": "this process"}

        async def all_cases() -> None:
            for name, one_person in (("persons", False), ("one person", True)):
                found[name] = await measure(feeds, count, rounds, one_person=one_person)
                print(name, json.dumps(found[name], ensure_ascii=False, indent=2), flush=True)

        uvloop.run(all_cases())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.deliveries", description=__doc__)
    parser.add_argument("--subscribers", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--dry", action="store_true", help="do not store the results")
    options = parser.parse_args()
    allow(5 * options.subscribers)
    found = run(options.subscribers, options.rounds)
    if not options.dry:
        file = RESULTS / "deliveries.json"
        file.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
