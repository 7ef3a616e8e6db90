"""Offered responses on every transport: what is sent at once, refused and recalled."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from graphql_streams import Caller, Handshake, Limits, Operation, Streams
from streams_server import MULTIPART, SSE, KnownSessions, until

RESPONSE = b'{"data":{"number":1}}'
TOO_SLOW = "The subscriber reads too slowly. Subscribe again from the last cursor."
ENDED = "The session has ended."


@dataclass
class Client:
    """An ASGI server with one client, which reads unless the test stops it."""

    streams: Streams
    sessions: KnownSessions
    operations: list[Operation] = field(default_factory=list)
    yielded: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    to_server: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    sent: list[dict[str, Any]] = field(default_factory=list)
    reads: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: dict[str, Any]) -> None:
        await self.reads.wait()
        self.sent.append(message)

    @property
    def operation(self) -> Operation:
        return self.operations[0]

    @property
    def text(self) -> str:
        """All that the client has received, the close frame included."""
        return "".join(
            f"{each.get('text', '')}{each.get('body', b'').decode()}{each.get('reason', '')}"
            for each in self.sent
        )

    def tell(self, message: dict[str, Any]) -> None:
        self.to_server.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})


@asynccontextmanager
async def subscribed(transport: str) -> AsyncIterator[Client]:
    sessions = KnownSessions()

    async def subscribe(operation: Operation) -> AsyncGenerator[bytes, None]:
        operation.started()
        client.operations.append(operation)
        while True:
            yield await client.yielded.get()

    async def authenticate(_: Handshake) -> Caller:
        return Caller("ada", "session of ada")

    limits = Limits(send_seconds=0.2)
    client = Client(Streams(subscribe, authenticate, limits, sessions), sessions)
    client.reads.set()
    scope: dict[str, Any] = {"type": "websocket", "subprotocols": ["graphql-transport-ws"]}
    if transport == "websocket":
        scope["headers"] = []
        client.to_server.put_nowait({"type": "websocket.connect"})
        client.tell({"type": "connection_init"})
    else:
        accept = {"multipart": MULTIPART, "sse": SSE}[transport]
        headers = {"accept": accept, "content-type": "application/json"}
        scope = {"type": "http", "method": "POST"}
        scope["headers"] = [(name.encode(), value.encode()) for name, value in headers.items()]
        body = json.dumps({"query": "subscription { a }"}).encode()
        client.to_server.put_nowait({"type": "http.request", "body": body})
    serving = asyncio.create_task(client.streams(scope, client.to_server.get, client.send))
    if transport == "websocket":
        await until(lambda: len(client.sent) == 2)
        client.tell({"id": "1", "type": "subscribe", "payload": {"query": "subscription { a }"}})
    await until(lambda: client.operations)
    if transport != "websocket":
        await until(lambda: client.sent)
    try:
        yield client
    finally:
        client.reads.set()
        client.to_server.put_nowait({"type": f"{scope['type']}.disconnect"})
        await asyncio.wait_for(serving, 5)


@pytest.mark.parametrize("transport", ["websocket", "multipart", "sse"])
class TestOffer:
    async def test_is_sent_at_once_in_the_form_of_the_transport(self, transport: str) -> None:
        async with subscribed(transport) as client:
            before = len(client.text)
            assert client.operation.offer(RESPONSE)
            sent = client.text[before:]
        assert (
            sent
            == {
                "websocket": '{"id":"1","type":"next","payload":{"data":{"number":1}}}',
                "multipart": "\r\ncontent-type: application/json\r\n\r\n"
                '{"payload":{"data":{"number":1}}}\r\n--graphql',
                "sse": 'event: next\ndata: {"data":{"number":1}}\n\n',
            }[transport]
        )

    async def test_has_the_bytes_of_a_response_that_is_yielded(self, transport: str) -> None:
        async with subscribed(transport) as client:
            before = len(client.sent)
            assert client.operation.offer(RESPONSE)
            client.yielded.put_nowait(RESPONSE)
            await until(lambda: len(client.sent) == before + 2)
            offered, yielded = client.sent[before:]
        assert offered == yielded

    async def test_is_refused_while_the_ended_sessions_are_uncertain(self, transport: str) -> None:
        async with subscribed(transport) as client:
            client.sessions.known.clear()
            assert not client.operation.offer(RESPONSE)
            client.sessions.known.set()
            assert client.operation.offer(RESPONSE)

    async def test_is_refused_after_the_end_of_the_session(self, transport: str) -> None:
        async with subscribed(transport) as client:
            client.streams.connections.end_sessions(["session of ada"])
            assert not client.operation.offer(RESPONSE)
            await until(lambda: ENDED in client.text)
            assert not client.operation.offer(RESPONSE)
        assert "number" not in client.text

    async def test_one_waits_for_a_slow_client_and_the_next_is_refused(
        self, transport: str
    ) -> None:
        async with subscribed(transport) as client:
            client.reads.clear()
            assert client.operation.offer(RESPONSE)
            assert not client.operation.offer(b'{"data":{"number":2}}')
            client.yielded.put_nowait(b'{"data":{"number":2}}')
            await asyncio.sleep(0)
            client.reads.set()
            await until(lambda: '"number":2' in client.text)
            assert client.text.index('"number":1') < client.text.index('"number":2')
            assert client.operation.offer(b'{"data":{"number":3}}')

    async def test_client_that_does_not_read_it_in_time_is_ended(self, transport: str) -> None:
        async with subscribed(transport) as client:
            client.reads.clear()
            assert client.operation.offer(RESPONSE)
            await asyncio.sleep(0.3)
            client.reads.set()
            await until(lambda: TOO_SLOW in client.text)
        assert "number" not in client.text

    async def test_is_recalled_by_the_end_of_the_session(self, transport: str) -> None:
        async with subscribed(transport) as client:
            client.reads.clear()
            assert client.operation.offer(RESPONSE)
            client.streams.connections.end_sessions(["session of ada"])
            client.reads.set()
            await until(lambda: ENDED in client.text)
        assert "number" not in client.text


async def test_nothing_is_sent_for_an_operation_that_the_client_has_completed() -> None:
    async with subscribed("websocket") as client:
        client.tell({"id": "1", "type": "complete"})
        await until(lambda: not client.operation.offer(RESPONSE))
        before = len(client.sent)
        assert not client.operation.offer(RESPONSE)
        assert len(client.sent) == before
