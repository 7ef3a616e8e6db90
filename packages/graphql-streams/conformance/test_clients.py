"""The clients that people use, against this package: `pytest conformance`."""

import asyncio
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from streams_server import Running, until

CLIENT = str(Path(__file__).with_name("client.mjs"))
COUNT = "subscription { count(to: 3) { number } }"
EVENTS = "subscription { events { number } }"

Line = dict[str, Any]

pytestmark = pytest.mark.parametrize("kind", ["graphql-ws", "graphql-sse", "apollo-client"])


class Client:
    """A client process that has subscribed once."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> Line:
        assert self._process.stdout
        text = await asyncio.wait_for(self._process.stdout.readline(), 20)
        line: Line = json.loads(text)
        return line

    async def number(self, field: str) -> int:
        """Return the number of the next event, without what Apollo Client adds to it."""
        line = await self.line()
        number: int = line["next"][field]["number"]
        return number


@asynccontextmanager
async def subscribed(
    node: str, kind: str, server: Running, query: str, *, token: str = "ada", stop_after: int = 0
) -> AsyncIterator[Client]:
    arguments = (kind, server.url, token, query, str(stop_after))
    process = await asyncio.create_subprocess_exec(node, CLIENT, *arguments, stdout=PIPE)
    try:
        yield Client(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_events_arrive_in_order_before_complete(
    node: str, kind: str, server: Running
) -> None:
    async with subscribed(node, kind, server, COUNT) as client:
        assert [await client.number("count") for _ in range(3)] == [0, 1, 2]
        assert await client.line() == {"complete": True}


async def test_unsubscribing_closes_the_source(node: str, kind: str, server: Running) -> None:
    async with subscribed(node, kind, server, EVENTS, stop_after=2) as client:
        await server.world.put(1, 2)
        assert [await client.number("events") for _ in range(2)] == [1, 2]
        assert await client.line() == {"stopped": True}
        await asyncio.wait_for(server.world.closed.wait(), 10)


async def test_invalid_operation_is_an_error(node: str, kind: str, server: Running) -> None:
    async with subscribed(node, kind, server, "subscription { nothing }") as client:
        assert "Cannot query field 'nothing'" in (await client.line())["error"]


async def test_refused_token_is_an_error(node: str, kind: str, server: Running) -> None:
    async with subscribed(node, kind, server, EVENTS, token="forged") as client:
        assert "The access token is not valid." in (await client.line())["error"]


async def test_end_of_the_session_is_an_error_with_its_reason(
    node: str, kind: str, server: Running
) -> None:
    async with subscribed(node, kind, server, EVENTS) as client:
        await server.world.put(1)
        assert await client.number("events") == 1
        server.streams.connections.end_sessions(["session of ada"])
        await server.world.put(2)
        assert "The session has ended." in (await client.line())["error"]
        await until(lambda: not len(server.streams.connections))
