"""Measure the live feed under many subscribers, and the end of sessions: `python -m bench.feed`.

The system runs as in production, on free ports; subscribers use graphql-transport-ws through the
edge. Alternating rounds measure the smallest possible feed: Redis pub/sub and a server of the
package `websockets` (`bench/echo.py`), without an edge.
"""

import argparse
import asyncio
import json
import secrets
import statistics
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, perf_counter, process_time
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import uvloop
from redis.asyncio import Redis

from bench.__main__ import RESULTS
from bench.echo import CHANNEL
from bench.machine import machine
from bench.sockets import Crowd, Dialogue, allow, subscription
from bench.testbed import Running, Testbed, running_testbed
from client.api import Account, ApiError, Data, connect, run_async, sign_up
from client.documents import SIGN_OUT, TWEET_FEED

COUNTS = (1, 100, 1000, 5000)
TWEET = "mutation ($text: String!) { createTweet(input: {text: $text}) { ... on Tweet { id } } }"
SETTINGS = {
    # One user or a few open all subscriptions; hashing passwords is not measured, so it is cheap.
    "TWEETS_STREAMS_PER_USER": "100000",
    "AUTH_ARGON2_MEMORY_KIB": "8",
    "AUTH_ARGON2_PASSES": "1",
    "AUTH_ACCESS_TOKEN_SECONDS": "7200",
}


class TimedUser:
    """A user whose operations are timed, on one connection."""

    def __init__(self, url: str, account: Account) -> None:
        self.account = account
        self.asked = 0.0
        self.answered = 0.0
        self._http = httpx.AsyncClient(
            base_url=url,
            timeout=30,
            trust_env=False,
            event_hooks={"request": [self._note_request], "response": [self._note_answer]},
        )

    async def run(self, query: str, **variables: object) -> Data:
        return await run_async(self._http, query, self.account, **variables)

    async def _note_request(self, _: httpx.Request) -> None:
        self.asked = perf_counter()

    async def _note_answer(self, _: httpx.Response) -> None:
        """Called once the head of the answer has arrived; the body is in the same packet."""
        self.answered = perf_counter()


@dataclass
class World:
    """The running processes."""

    testbed: Testbed
    edge: str
    tweets: list[Running]
    envoy: Running
    echo: Running

    async def user(self) -> TimedUser:
        """Sign up a user."""
        return TimedUser(self.edge, await asyncio.to_thread(self._sign_up))

    def _sign_up(self) -> Account:
        with connect(self.edge) as http:
            return sign_up(http)

    def subscriber(self, user: TimedUser) -> Dialogue:
        return subscription(f"{self.edge}/graphql", user.account.headers, TWEET_FEED)


@contextmanager
def running_world(processes: int) -> Iterator[World]:
    with running_testbed() as testbed:
        testbed.settings.update(SETTINGS)
        testbed.service("auth")
        tweets = [testbed.service("tweets", number) for number in range(processes)]
        addresses = [running.url.removeprefix("http://") for running in tweets]
        testbed.settings["TWEETS_ENDPOINTS"] = ",".join(addresses)
        router = testbed.router() or testbed.node_gateway()
        testbed.service("notifier")
        envoy = testbed.edge("edge", router.url)
        echo = testbed.python("echo", "bench.echo", REDIS_URL=testbed.settings["REDIS_URL"])
        world = World(testbed, envoy.url, tweets, envoy, echo)
        uvloop.run(_until_up(world))
        yield world


async def _until_up(world: World) -> None:
    for _ in range(100):
        try:
            await world.user()
        except (ApiError, httpx.TransportError):
            await asyncio.sleep(0.2)
        else:
            return
    raise RuntimeError("The edge does not answer.")


# -- one event to all --------------------------------------------------------------------------


@dataclass
class Round:
    """Milliseconds until all sockets have the event, from the mutation's answer or the publish."""

    last: float
    median: float
    client: float
    """Processor time of this process per arrival, in µs: the cost of the measurement."""


async def once(crowd: Crowd, count: int, publish: Callable[[str], Awaitable[float]]) -> Round:
    text = f"m{secrets.token_hex(8)}"
    arrivals = crowd.expect(text.encode(), count)
    used = process_time()
    answered = await publish(text)
    times = await asyncio.wait_for(arrivals, 60)
    used = process_time() - used
    return Round(
        1000 * (times[-1] - answered),
        1000 * (statistics.median(times) - answered),
        1_000_000 * used / count,
    )


async def settled(crowd: Crowd, count: int, publish: Callable[[str], Awaitable[float]]) -> None:
    """Publish until every socket receives an event."""
    for _ in range(60):
        text = f"m{secrets.token_hex(8)}"
        arrivals = crowd.expect(text.encode(), count)
        await publish(text)
        try:
            await asyncio.wait_for(arrivals, 2 + count / 200)
        except TimeoutError:
            continue
        return
    raise RuntimeError(f"Some of {count} subscribers receive nothing.")


async def fan_out(world: World, count: int, rounds: int) -> dict[str, Any]:
    """Measure one user with `count` sockets, and as many sockets of the echo server."""
    redis: Redis = Redis.from_url(world.testbed.settings["REDIS_URL"])
    user = await world.user()

    async def tweet(text: str) -> float:
        await user.run(TWEET, text=text)
        return user.answered

    async def publish(text: str) -> float:
        # Padded to the length of an event. Redis answers after it has delivered the message.
        asked = perf_counter()
        await redis.publish(CHANNEL, text.rjust(len(feed.last_text)))
        return asked

    pids = {"tweets": world.tweets[0], "Envoy": world.envoy, "echo": world.echo}
    before = {name: running.own_memory for name, running in pids.items()}
    feed, echo = Crowd(), Crowd()
    await feed.connect(count * [world.subscriber(user)])
    await settled(feed, count, tweet)
    await echo.connect(count * [Dialogue(world.echo.url)])
    await settled(echo, count, publish)
    memory = {name: (running.own_memory - before[name]) / count for name, running in pids.items()}
    found: dict[str, list[Round]] = {"feed": [], "echo": []}
    used = dict.fromkeys(pids, 0.0)
    for _ in range(rounds):
        for name, crowd, send in (("feed", feed, tweet), ("echo", echo, publish)):
            cpu = {who: _cpu(running) for who, running in pids.items()}
            found[name].append(await once(crowd, count, send))
            await asyncio.sleep(0.3)
            for who, running in pids.items():
                used[who] += _cpu(running) - cpu[who]
    if feed.closings or echo.closings:
        raise RuntimeError(f"Sockets were closed: {feed.closings[:3]} {echo.closings[:3]}")
    await feed.leave()
    await echo.leave()
    await redis.aclose()
    return {
        "subscribers": count,
        "refused at first": feed.refused + echo.refused,
        "milliseconds to the last": {n: _median(r.last for r in rs) for n, rs in found.items()},
        "milliseconds to the median": {n: _median(r.median for r in rs) for n, rs in found.items()},
        "ratio": _median(r.last for r in found["feed"]) / _median(r.last for r in found["echo"]),
        "processor µs for each, Envoy's and tweets' for both rounds": {
            who: 1_000_000 * seconds / rounds / count for who, seconds in used.items()
        },
        "client µs for each": {n: _median(r.client for r in rs) for n, rs in found.items()},
        "memory, KB for each": {name: round(bytes_ / 1024, 1) for name, bytes_ in memory.items()},
    }


def _median(values: Iterable[float]) -> float:
    return round(float(statistics.median(values)), 2)


def _cpu(running: Running) -> float:
    times = psutil.Process(running.process.pid).cpu_times()
    return float(times.user + times.system)


async def many_users(world: World, count: int, sockets: int, rounds: int) -> dict[str, Any]:
    """Measure many users with a few sockets each; they tweet one after another."""
    users = [await world.user() for _ in range(count)]
    crowd = Crowd()
    await crowd.connect([world.subscriber(user) for user in users for _ in range(sockets)])
    took = []
    for number in range(rounds):
        user = users[number * count // rounds]

        async def tweet(text: str, user: TimedUser = user) -> float:
            await user.run(TWEET, text=text)
            return user.answered

        if not number:
            await settled(crowd, sockets, tweet)
        took.append(await once(crowd, sockets, tweet))
        await asyncio.sleep(0.1)
    if crowd.closings:
        raise RuntimeError(f"Sockets were closed: {crowd.closings[:3]}")
    await crowd.leave()
    return {
        "users": count,
        "sockets each": sockets,
        "milliseconds to the last": _median(r.last for r in took),
        "the slowest of all rounds": round(max(r.last for r in took), 2),
    }


# -- connects and disconnects ----------------------------------------------------------------------


async def churn(world: World, seconds: float, sockets: int = 50) -> dict[str, Any]:
    """Connect, subscribe and disconnect sockets; every other time without a close frame."""
    user = await world.user()
    crowd = Crowd()
    samples: list[tuple[float, int]] = []
    came, number, begun = 0, 0, monotonic()
    while monotonic() - begun < seconds:
        await crowd.connect(sockets * [world.subscriber(user)])
        await asyncio.sleep(0.2)
        await crowd.leave(abruptly=bool(number % 2))
        came, number = came + sockets, number + 1
        if number % 10 == 0:
            await asyncio.sleep(0.5)
            samples.append((monotonic() - begun, world.tweets[0].own_memory))
    # The first tenth fills caches and pools.
    rest = [memory for moment, memory in samples if moment > seconds / 10]
    early, late = (
        statistics.median(part) for part in (rest[: len(rest) // 5], rest[-len(rest) // 5 :])
    )
    return {
        "seconds": round(seconds),
        "subscriptions that came and went": came,
        "MB after a tenth": round(early / 2**20, 1),
        "MB at the end": round(late / 2**20, 1),
        "bytes for each": round((late - early) / came),
    }


# -- the end of a session --------------------------------------------------------------------------


async def sign_out(world: World, sockets: int, rounds: int) -> dict[str, Any]:
    """Measure when the first and the last socket of a session close, over all tweets processes."""
    answers, firsts, lasts, asked = [], [], [], []
    spread: list[int] = []
    for _ in range(rounds):
        user = await world.user()
        crowd = Crowd()
        await crowd.connect(sockets * [world.subscriber(user)])

        async def tweet(text: str, user: TimedUser = user) -> float:
            await user.run(TWEET, text=text)
            return user.answered

        await settled(crowd, sockets, tweet)
        spread = [_connections(running) for running in world.tweets]
        await user.run(SIGN_OUT)
        await crowd.ended(sockets)
        codes = {code for code, _ in crowd.closings}
        if codes != {4401}:
            raise RuntimeError(f"closed with {codes}")
        times = [moment for _, moment in crowd.closings]
        answers.append(1000 * (user.answered - user.asked))
        firsts.append(1000 * (min(times) - user.answered))
        lasts.append(1000 * (max(times) - user.answered))
        asked.append(1000 * (max(times) - user.asked))
    return {
        "sockets": sockets,
        "tweets processes": len(world.tweets),
        "sockets at each, with some of Envoy's own": spread,
        "milliseconds from signOut to its answer": _median(answers),
        "milliseconds from the answer to the first closing": _median(firsts),
        "milliseconds from the answer to the last closing": _median(lasts),
        "the latest of all rounds": round(max(lasts), 2),
        "milliseconds from signOut to the last closing": _median(asked),
    }


def _connections(running: Running) -> int:
    port = urlsplit(running.url).port
    connections = psutil.Process(running.process.pid).net_connections(kind="tcp")
    return sum(c.laddr.port == port and c.status == "ESTABLISHED" for c in connections)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the chosen rows, each on a fresh stack, so that no row inherits memory of another."""
    found: dict[str, Any] = {"title": "The live feed", "run": machine()}
    if "fan-out" in options.rows:
        for count in options.subscribers:
            with running_world(1) as world:
                found[f"{count} subscribers"] = show(
                    uvloop.run(fan_out(world, count, options.rounds))
                )
    if "users" in options.rows:
        users = max(options.subscribers) // 20
        with running_world(1) as world:
            found["many users"] = show(uvloop.run(many_users(world, users, 20, 2 * options.rounds)))
    if "sign-out" in options.rows:
        with running_world(2) as world:
            found["sign-out"] = show(uvloop.run(sign_out(world, 100, options.rounds)))
    if "churn" in options.rows:
        with running_world(1) as world:
            found["churn"] = show(uvloop.run(churn(world, options.churn_seconds)))
    return found


def show(row: dict[str, Any]) -> dict[str, Any]:
    print(json.dumps(row, ensure_ascii=False, indent=2), flush=True)
    return row


def main() -> None:
    rows = ["fan-out", "users", "sign-out", "churn"]
    parser = argparse.ArgumentParser(prog="python -m bench.feed", description=__doc__)
    parser.add_argument("rows", nargs="*", default=rows, help=" ".join(rows))
    parser.add_argument("--subscribers", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--churn-seconds", type=float, default=600)
    options = parser.parse_args()
    allow(2 * max(options.subscribers))
    found = measure(options)
    file = RESULTS / "feed.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**known, **found}, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
