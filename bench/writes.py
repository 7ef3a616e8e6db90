"""Row 6: tweets and retweets, each with its event, against a transaction written by hand."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from bench.filling import SHARE, fill, tweet_id
from bench.load import Measured, processor_time
from bench.people import body
from bench.rounds import Effort, Ratio, rows
from bench.stand import Running, Stand
from bench.timeline import READER, identity

CREATE = """mutation ($text: String!) { createTweet(input: {text: $text}) {
    __typename ... on Tweet { id } } }"""
RETWEET = "mutation ($id: ID!) { retweet(tweetId: $id) { __typename ... on Tweet { id } } }"

Wires = Iterator[bytes]


def writes(stand: Stand, effort: Effort) -> dict[str, Any]:
    fill(stand.superuser_url, READER, 0, effort.tweets[0])
    ours, by_hand = stand.service("tweets"), stand.python("hand-written", "bench.handwritten")
    numbers, people = itertools.count(), itertools.count(1)
    makers: dict[str, tuple[Running, Callable[[], Wires]]] = {
        "createTweet": (ours, lambda: creating(stand, "/graphql", numbers)),
        "createTweet, hand-written": (by_hand, lambda: creating(stand, "/create", numbers)),
        "retweet": (ours, lambda: retweeting(stand, "/graphql", people, effort.tweets[0])),
        "retweet, hand-written": (
            by_hand,
            lambda: retweeting(stand, "/retweet", people, effort.tweets[0]),
        ),
    }
    found: dict[str, list[Measured]] = {name: [] for name in makers}
    for number in range(effort.rounds + 1):
        for name, (running, make) in makers.items():
            one = drive(running, make(), effort.seconds, connections=16)
            if number:  # the first round warms up
                found[name].append(one)
    figures = {
        name: Measured(
            *(median(getattr(m, n) for m in all_) for n in ("rate", "p50", "p99", "cpu"))
        )
        for name, all_ in found.items()
    }
    rate = {name: figure.rate for name, figure in figures.items()}
    return {
        "title": "Writes, each with its event in the outbox",
        "figures": rows(figures),
        "ratios": [
            Ratio(
                "createTweet to hand-written",
                rate["createTweet"] / rate["createTweet, hand-written"],
            ),
            Ratio("retweet to hand-written", rate["retweet"] / rate["retweet, hand-written"]),
        ],
    }


def creating(stand: Stand, path: str, numbers: Iterator[int]) -> Wires:
    for number in numbers:
        yield wire(
            path, body(CREATE, text=f"A tweet of its own, number {number}."), identity(stand)
        )


def retweeting(stand: Stand, path: str, people: Iterator[int], tweets: int) -> Wires:
    """Each time by somebody else, and of tweets all over the table."""
    originals = tweets // SHARE * SHARE
    for number in people:
        original = number * 7919 % originals
        original += original % SHARE == 0  # not one of the reader's: some are retweets
        somebody = UUID(int=(2 << 120) | number)
        yield wire(path, body(RETWEET, id=str(tweet_id(original))), identity(stand, somebody))


def wire(path: str, content: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: bench", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"content-length: {len(content)}", "", ""]).encode() + content


def drive(running: Running, wires: Wires, seconds: float, connections: int) -> Measured:
    """Sends one request after the other on each connection; every answer must hold data."""
    return asyncio.run(_drive(running, wires, seconds, connections))


async def _drive(running: Running, wires: Wires, seconds: float, connections: int) -> Measured:
    address = urlsplit(running.url)
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        while (began := time.perf_counter()) < end:
            writer.write(next(wires))
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            length = next(int(h[15:]) for h in lines if h.startswith(b"content-length:"))
            answer = await reader.readexactly(length)
            assert b'"id":' in answer, answer
            took.append((time.perf_counter() - began) * 1000)
        writer.close()

    before, began = processor_time(running.process.pid), time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    whole = time.perf_counter() - began
    cpu = (processor_time(running.process.pid) - before) / len(took) * 1e6
    took.sort()
    return Measured(len(took) / whole, median(took), took[int(len(took) * 0.99)], cpu)
