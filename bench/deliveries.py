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
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import uvloop
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from bench.__main__ import RESULTS
from bench.echo import CHANNEL, CHANNEL_OF_ONE
from bench.machine import observed
from bench.sessions import SignedIn, sign_in, store
from bench.sockets import Crowd, Dialogue, allow
from bench.testbed import Running, Testbed, running_testbed
from chassis.app import STREAM_PATH
from chassis.streams import FIELD
from client.documents import TWEET_FEED
from subgraphs.tweets.domain import Author, Tweet
from subgraphs.tweets.events import STREAM, tweet_created

if TYPE_CHECKING:
    from uuid import UUID

SETTINGS = {"TWEETS_STREAMS_PER_USER": "100000"}
_WARM_UP = 2

Publish = Callable[[Sequence[str]], Awaitable[None]]
"""Publishes texts: the first to all sockets, or each to one of them."""


@dataclass
class Feed:
    """One of the systems that are compared."""

    name: str
    processes: list[Running]
    dialogues: Callable[[bool], list[Dialogue]]
    """Returns the sockets; True for those of one person."""
    publish: Callable[[bool], Publish]
    took: list[float] = field(default_factory=list)
    used: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def processor_seconds(running: Running) -> float:
    """Return the time on a processor, of all threads, to the nanosecond where Linux has it."""
    threads = Path(f"/proc/{running.process.pid}/task")
    try:
        return sum(int((t / "schedstat").read_text().split()[0]) for t in threads.iterdir()) / 1e9
    except OSError:
        times = psutil.Process(running.process.pid).cpu_times()
        return float(times.user + times.system)


def _memory(running: Running) -> int:
    return int(psutil.Process(running.process.pid).memory_full_info().uss)


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


@contextmanager
def running_feeds(count: int) -> Iterator[tuple[list[Feed], "Callable[[], Awaitable[None]]"]]:
    with running_testbed() as testbed:
        testbed.settings.update(SETTINGS)
        people = [_people(testbed, count) for _ in range(2)]
        asyncio.run(_store(testbed, people))
        testbed.service("auth")
        tweets = [testbed.service("tweets", number) for number in range(2)]
        testbed.settings["TWEETS_ENDPOINTS"] = tweets[0].url.removeprefix("http://")
        edge = testbed.edge("edge", "http://127.0.0.1:9")  # no request goes to a router
        redis_url = testbed.settings["REDIS_URL"]
        echo = testbed.python("echo", "bench.echo", REDIS_URL=redis_url)
        memory = testbed.python("memory", "bench.memory_feed")
        redis: Redis = Redis.from_url(redis_url)
        stream = Stream(redis)
        trusted = (("x-router-secret", testbed.secret),)
        http = httpx.AsyncClient(base_url=memory.url, trust_env=False, timeout=60)
        paths = [f"/{number}" for number in range(count)]

        def subscriber(url: str, one: SignedIn, headers: Any = ()) -> Dialogue:
            init = {"authorization": f"Bearer {one.token}"}
            subscribe = {"id": "1", "type": "subscribe", "payload": {"query": TWEET_FEED}}
            return Dialogue(
                url,
                json.dumps({"type": "connection_init", "payload": init}).encode(),
                json.dumps(subscribe).encode(),
                headers=headers,
                subprotocol="graphql-transport-ws",
            )

        def ours(name: str, processes: list[Running], url: str, who: People, headers: Any) -> Feed:
            def dialogues(one_person: bool) -> list[Dialogue]:
                signed_in = who.devices if one_person else who.persons
                return [subscriber(url, one, headers) for one in signed_in]

            def publish(one_person: bool) -> Publish:
                authors = who.devices[:1] if one_person else who.persons
                return lambda texts: stream.add(texts, authors)

            return Feed(name, processes, dialogues, publish)

        def bare(name: str, running: Running, publish: Callable[[bool], Publish]) -> Feed:
            addresses = [f"{running.url}{path}" for path in paths]
            return Feed(name, [running], lambda _: [*map(Dialogue, addresses)], publish)

        async def to_one(texts: Sequence[str]) -> None:
            async with redis.pipeline(transaction=False) as pipeline:
                for path, text in zip(paths, texts, strict=True):
                    pipeline.publish(CHANNEL_OF_ONE, f"{path} {text}")
                await pipeline.execute()

        async def to_all(texts: Sequence[str]) -> None:
            await redis.publish(CHANNEL, texts[0])

        async def from_memory_to_one(texts: Sequence[str]) -> None:
            lines = (f"{path} {text}" for path, text in zip(paths, texts, strict=True))
            await http.post("/each", content="\n".join(lines))

        async def from_memory_to_all(texts: Sequence[str]) -> None:
            await http.post("/", content=texts[0])

        async def close() -> None:
            await redis.aclose()
            await http.aclose()

        yield (
            [
                ours("edge", [tweets[0], edge], f"{edge.url}/graphql", people[0], ()),
                ours("direct", tweets[1:], f"{tweets[1].url}{STREAM_PATH}", people[1], trusted),
                bare("echo", echo, lambda one: to_all if one else to_one),
                bare(
                    "memory",
                    memory,
                    lambda one: from_memory_to_all if one else from_memory_to_one,
                ),
            ],
            close,
        )


def _people(testbed: Testbed, count: int) -> People:
    settings = testbed.settings
    return People(sign_in(settings, count), sign_in(settings, count, one_user=True))


async def _store(testbed: Testbed, people: Sequence[People]) -> None:
    everybody = [one for some in people for one in (*some.persons, *some.devices)]
    await store(testbed.superuser_url_of("auth"), everybody)


async def measure(feeds: Sequence[Feed], count: int, rounds: int, *, one_person: bool) -> Any:
    """Measure all feeds in alternating rounds."""
    crowds, memory, idle = {}, {}, {}
    length = 0
    for feed in feeds:
        before = {running.name: _memory(running) for running in feed.processes}
        crowd = crowds[feed.name] = Crowd()
        await crowd.connect(feed.dialogues(one_person))
        for _ in range(_WARM_UP):
            await asyncio.sleep(0.5)
            await once(feed, crowd, count, length, one_person=one_person)
        length = length or len(crowd.last_text)
        memory[feed.name] = {
            running.name: round((_memory(running) - before[running.name]) / count / 1024, 1)
            for running in feed.processes
        }
    for feed in feeds:  # what runs without events is not the price of a delivery
        before_idle = {running.name: processor_seconds(running) for running in feed.processes}
        await asyncio.sleep(1)
        idle[feed.name] = {
            r.name: processor_seconds(r) - before_idle[r.name] for r in feed.processes
        }
    for feed in feeds:
        feed.took.clear()
        feed.used.clear()
    for _ in range(rounds):
        for feed in feeds:
            began = perf_counter()
            used = {running.name: processor_seconds(running) for running in feed.processes}
            feed.took.append(
                await once(feed, crowds[feed.name], count, length, one_person=one_person)
            )
            await asyncio.sleep(0.02)
            for running in feed.processes:
                spent = processor_seconds(running) - used[running.name]
                spent -= (perf_counter() - began) * idle[feed.name][running.name]
                feed.used[running.name].append(1e6 * spent / count)
            await asyncio.sleep(0.05)
    for name, crowd in crowds.items():
        if crowd.closings:
            raise RuntimeError(f"Sockets of {name} were closed: {crowd.closings[:3]}")
        await crowd.leave()
    return {
        feed.name: {
            "milliseconds to the last": round(median(feed.took), 2),
            "processor µs for each": {n: round(median(u), 1) for n, u in feed.used.items()},
            "memory, KB for each": memory[feed.name],
        }
        for feed in feeds
    }


async def once(feed: Feed, crowd: Crowd, count: int, length: int, *, one_person: bool) -> float:
    """Publish once; return the milliseconds until all sockets have their text."""
    marker = f"m{secrets.token_hex(8)}"
    # Padded to the length of ours, which are the first that are measured.
    texts = [marker if feed.name in {"edge", "direct"} else marker.rjust(length, ".")]
    arrivals = crowd.expect(marker.encode(), count)
    began = perf_counter()
    await feed.publish(one_person)(texts if one_person else texts * count)
    times = await asyncio.wait_for(arrivals, 60)
    return 1000 * (times[-1] - began)


def run(count: int, rounds: int) -> dict[str, Any]:
    found: dict[str, Any] = {"subscribers": count}
    with observed() as found["run"], running_feeds(count) as (feeds, close):

        async def all_cases() -> None:
            for name, one_person in (("one person", True), ("persons", False)):
                found[name] = await measure(feeds, count, rounds, one_person=one_person)
                print(name, json.dumps(found[name], ensure_ascii=False, indent=2), flush=True)
            await close()

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
