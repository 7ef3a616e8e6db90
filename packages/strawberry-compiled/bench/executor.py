"""What an operation costs on Strawberry's own executor and on the compiling one.

`python -m bench.executor` runs both in turns and prints medians and their ratio; `--serve` also
puts a uvicorn worker in front of each and asks it over HTTP.
"""

import argparse
import asyncio
import datetime
import gc
import json
import multiprocessing
import statistics
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import httpx
import strawberry
import uvicorn
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.federation import Schema

from chassis.graphql.paging import PageInfo
from stack.ports import free_ports
from strawberry_compiled import CompilingExecutionContext as CompilingExecutor
from subgraphs.tweets.types import Tweet, TweetConnection, TweetEdge, User

DOCUMENTS = {
    "20 tweets with their authors": "{ tweets { id text createdAt author { id username } } }",
    "a timeline of 20, as a connection": """{ timeline { edges { cursor node {
        id text createdAt retweetCount author { id username }
        retweetOf { id text author { id username } } } } pageInfo { hasNextPage endCursor } } }""",
    "20 tweets, a resolver in each": "{ liked { id text author { id username } mine } }",
    "one tweet": "{ tweet { id text createdAt author { id username } } }",
    "20 tweets with an error": "{ wrong { id text author { id username } } }",
}


def tweet(n: int) -> Tweet:
    original = uuid.UUID(int=n)
    return Tweet(
        id=strawberry.ID(str(original)),
        text=f"This is tweet number {n}, and it says nothing at all.",
        created_at=datetime.datetime(2026, 11, 1, 12, n, tzinfo=datetime.UTC),
        author=User(id=strawberry.ID(str(uuid.UUID(int=n % 3))), username=f"somebody{n % 3}"),
        retweet_count=n,
        retweet_of=tweet(n + 20) if n % 4 == 1 and n < 20 else None,
        original_id=original,
    )


@strawberry.type
class LikedTweet:
    id: strawberry.ID
    text: str
    author: User

    @strawberry.field
    async def mine(self) -> bool:
        return True


TWEETS = [tweet(n) for n in range(20)]
LIKED = [LikedTweet(id=t.id, text=t.text, author=t.author) for t in TWEETS]
WRONG: list[Any] = [*TWEETS[:-1], tweet(19)]
WRONG[-1].text = ValueError("not to be told")
TIMELINE = TweetConnection(
    edges=[TweetEdge(node=t, cursor=t.id) for t in TWEETS],
    page_info=PageInfo(
        has_next_page=True, has_previous_page=False, start_cursor=None, end_cursor=TWEETS[-1].id
    ),
)


@strawberry.type
class Query:
    @strawberry.field
    async def tweets(self) -> list[Tweet]:
        return TWEETS

    @strawberry.field
    async def timeline(self) -> TweetConnection:
        return TIMELINE

    @strawberry.field
    async def liked(self) -> list[LikedTweet]:
        return LIKED

    @strawberry.field
    async def tweet(self) -> Tweet:
        return TWEETS[0]

    @strawberry.field
    async def wrong(self) -> list[Tweet | None]:
        return WRONG


class QuietSchema(Schema):
    """One of the operations fails on purpose."""

    def process_errors(self, *_: Any) -> None:
        pass


def schema(executor: type[CompilingExecutor] | None) -> Schema:
    return QuietSchema(
        Query, extensions=[ParserCache, ValidationCache], execution_context_class=executor
    )


@dataclass(frozen=True)
class Row:
    """Medians, in microseconds per operation or in operations per second."""

    name: str
    unit: str
    stock: float
    compiled: float

    @property
    def ratio(self) -> float:
        """How many times as fast the compiling executor is."""
        ratio = self.stock / self.compiled
        return ratio if self.unit == "µs" else 1 / ratio


async def time_operation(which: Schema, document: str, times: int) -> float:
    gc.collect()
    started = perf_counter()
    for _ in range(times):
        await which.execute(document)
    return (perf_counter() - started) / times * 1e6


async def in_process(rounds: int, times: int) -> list[Row]:
    schemas = {"stock": schema(None), "compiled": schema(CompilingExecutor)}
    rows = []
    for name, document in DOCUMENTS.items():
        answers = {n: [await s.execute(document) for _ in range(3)] for n, s in schemas.items()}
        data = {json.dumps(answer.data) for each in answers.values() for answer in each}
        assert len(data) == 1, f"{name}: the executors differ"
        found: dict[str, list[float]] = {n: [] for n in schemas}
        for _ in range(rounds):
            for which, one in schemas.items():
                found[which].append(await time_operation(one, document, times))
        medians = {which: statistics.median(values) for which, values in found.items()}
        rows.append(Row(name, "µs", **medians))
    return rows


def serve(port: int, *, compiled: bool) -> None:
    app: Any = GraphQL(schema(CompilingExecutor if compiled else None))
    uvicorn.run(app, port=port, log_level="error", access_log=False)


@asynccontextmanager
async def worker(port: int, *, compiled: bool) -> AsyncIterator[None]:
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(port,), kwargs={"compiled": compiled}, daemon=True
    )
    process.start()
    try:
        async with httpx.AsyncClient() as client:
            for _ in range(200):
                try:
                    await client.get(f"http://127.0.0.1:{port}/")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.join()


def request(port: int, document: str) -> bytes:
    body = json.dumps({"query": document}).encode()
    return (
        f"POST / HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


async def ask(port: int, wire: bytes, until: float) -> int:
    """Asks over one connection until the time is over; the load must not cost what it measures."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answered = 0
    while perf_counter() < until:
        writer.write(wire)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(h for h in head.lower().split(b"\r\n") if h.startswith(b"content-length"))
        await reader.readexactly(int(length.split(b":")[1]))
        answered += 1
    writer.close()
    return answered


async def over_http(rounds: int, seconds: float) -> list[Row]:
    ports = dict(zip(("stock", "compiled"), free_ports(2), strict=True))
    name = "a timeline of 20, as a connection"
    found: dict[str, list[float]] = {which: [] for which in ports}
    async with (
        worker(ports["stock"], compiled=False),
        worker(ports["compiled"], compiled=True),
    ):
        for _ in range(rounds):
            for which, port in ports.items():
                wire = request(port, DOCUMENTS[name])
                until = perf_counter() + seconds
                answered = await asyncio.gather(*(ask(port, wire, until) for _ in range(8)))
                found[which].append(sum(answered) / seconds)
    medians = {which: statistics.median(values) for which, values in found.items()}
    return [Row(f"{name}, one uvicorn worker", "/s", **medians)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--times", type=int, default=200, help="operations in one round")
    parser.add_argument("--serve", action="store_true", help="over HTTP too")
    options = parser.parse_args()
    rows = asyncio.run(in_process(options.rounds, options.times))
    if options.serve:
        rows += asyncio.run(over_http(max(3, options.rounds // 2), 2))
    write = sys.stdout.write
    write(f"{'':<52}{'stock':>12}{'compiled':>12}{'ratio':>8}\n")
    for row in rows:
        write(
            f"{row.name:<52}{row.stock:>9.0f} {row.unit:<2}{row.compiled:>9.0f} {row.unit:<2}"
            f"{row.ratio:>7.1f}x\n"
        )


if __name__ == "__main__":
    main()
