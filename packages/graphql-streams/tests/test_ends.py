"""Expiry, revocation and limits, with fields that know nothing of tokens, on every transport."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from graphql_streams import Limits
from streams_server import MULTIPART, SSE, Running, serving, until

EVENTS = "subscription { events { number } }"
EXPIRED = "The access token has expired."
ENDED = "The session has ended."

Rest = Callable[[], Coroutine[Any, Any, str]]


@asynccontextmanager
async def subscribed(server: Running, transport: str, query: str = EVENTS) -> AsyncIterator[Rest]:
    """Subscribe as ada. The function that is returned reads all that comes until the end."""
    if transport != "websocket":
        accept = {"multipart": MULTIPART, "sse": SSE}[transport]
        async with server.stream(query, accept) as response:

            async def body() -> str:
                return (await response.aread()).decode()

            yield body
        return
    async with server.initialised() as client:
        await client.subscribe(query)

        async def messages() -> str:
            read = ""
            with suppress(ConnectionClosed):
                while True:
                    read += str(await client.connection.recv())
            return f"{read} {client.connection.close_code} {client.connection.close_reason}"

        yield messages


transports = pytest.mark.parametrize("transport", ["websocket", "multipart", "sse"])


@transports
class TestExpiry:
    async def test_expiry_of_the_token_ends_any_field(
        self, server: Running, transport: str
    ) -> None:
        server.world.expires_at = datetime.now(UTC) + timedelta(seconds=1.5)
        async with subscribed(server, transport) as rest:
            await until(lambda: server.world.running)
            await server.world.put(1)
            text = await asyncio.wait_for(rest(), 10)
        assert '"number":1' in text
        assert EXPIRED in text
        await until(lambda: not server.world.running and not len(server.streams.connections))

    async def test_item_is_not_sent_after_the_token_has_expired(
        self, server: Running, transport: str
    ) -> None:
        expires_at = server.world.expires_at = datetime.now(UTC) + timedelta(seconds=1.5)
        query = "subscription { events { number gated } }"
        async with subscribed(server, transport, query) as rest:
            await server.world.put(1)
            await until(lambda: server.world.waiting)
            await asyncio.sleep((expires_at - datetime.now(UTC)).total_seconds() + 0.1)
            server.world.gate.set()
            text = await asyncio.wait_for(rest(), 10)
        assert "number" not in text
        assert EXPIRED in text


class TestIdleSocket:
    async def test_expiry_closes_a_socket_without_operations(self, server: Running) -> None:
        server.world.expires_at = datetime.now(UTC) + timedelta(seconds=0.2)
        async with server.initialised() as client:
            assert await client.closed() == (4403, EXPIRED)

    async def test_expired_caller_is_refused_at_once(self, server: Running) -> None:
        server.world.expires_at = datetime.now(UTC) - timedelta(seconds=1)
        async with server.initialised() as client:
            await client.subscribe(EVENTS)
            assert await client.closed() == (4403, EXPIRED)


@transports
class TestRevocation:
    async def test_end_of_the_session_ends_any_field(self, server: Running, transport: str) -> None:
        async with subscribed(server, transport) as rest:
            await until(lambda: server.world.running)
            server.streams.connections.end_sessions(["session of ada"])
            await server.world.put(1)
            text = await asyncio.wait_for(rest(), 10)
        assert "number" not in text
        assert ENDED in text
        await until(lambda: not server.world.running)

    async def test_other_sessions_continue(self, server: Running, transport: str) -> None:
        async with subscribed(server, transport) as rest:
            await until(lambda: server.world.running)
            server.streams.connections.end_sessions(["session of bob"])
            await server.world.put(1, None)
            reading = asyncio.create_task(rest())
            await until(lambda: not server.world.running)
            server.streams.close()
            assert '"number":1' in await asyncio.wait_for(reading, 10)

    async def test_event_waits_while_the_ended_sessions_are_uncertain(
        self, server: Running, transport: str
    ) -> None:
        async with subscribed(server, transport) as rest:
            await until(lambda: server.world.running)
            reading = asyncio.create_task(rest())
            server.sessions.known.clear()
            await server.world.put(1, None)
            await asyncio.sleep(0.2)
            assert server.world.running  # the source has not been asked for the next event
            server.sessions.known.set()
            await until(lambda: not server.world.running)
            server.streams.close()
            assert '"number":1' in await asyncio.wait_for(reading, 10)

    async def test_session_that_ended_meanwhile_gets_no_event(
        self, server: Running, transport: str
    ) -> None:
        async with subscribed(server, transport) as rest:
            await until(lambda: server.world.running)
            server.sessions.known.clear()
            await server.world.put(1)
            await asyncio.sleep(0.1)
            server.streams.connections.end_sessions(["session of ada"])
            server.sessions.known.set()
            text = await asyncio.wait_for(rest(), 10)
        assert "number" not in text
        assert ENDED in text

    async def test_end_arrives_while_the_ended_sessions_stay_uncertain(
        self, server: Running, transport: str
    ) -> None:
        async with subscribed(server, transport) as rest:
            await until(lambda: server.world.running)
            server.sessions.known.clear()
            await server.world.put(1)
            server.streams.connections.end_sessions(["session of ada"])
            assert ENDED in await asyncio.wait_for(rest(), 10)

    async def test_field_that_catches_its_cancellation_sends_nothing_after_the_end(
        self, server: Running, transport: str
    ) -> None:
        async with subscribed(server, transport, "subscription { stubborn }") as rest:
            await until(lambda: server.world.running)
            server.streams.connections.end_sessions(["session of ada"])
            server.world.gate.set()
            text = await asyncio.wait_for(rest(), 10)
        assert "stubborn" not in text


class TestRevocationDuringTheHandshake:
    async def test_socket_is_closed_instead_of_acknowledged(self, server: Running) -> None:
        server.sessions.ended.add("session of ada")
        async with server.socket() as client:
            await client.send(
                {"type": "connection_init", "payload": {"authorization": "Bearer ada"}}
            )
            assert await client.closed() == (4401, ENDED)

    @pytest.mark.parametrize("accept", [MULTIPART, SSE])
    async def test_request_is_refused(self, server: Running, accept: str) -> None:
        server.sessions.ended.add("session of ada")
        response = await server.post(EVENTS, accept)
        assert response.status_code == 401
        assert response.json()["errors"] == [
            {"message": ENDED, "extensions": {"code": "UNAUTHENTICATED", "reason": "SESSION_ENDED"}}
        ]


@transports
class TestRunningWithoutRevocations:
    async def test_caller_without_session_and_expiry_is_served(
        self, server: Running, transport: str
    ) -> None:
        server.streams.connections.revocations = None
        query = "subscription { count(to: 1) { number } }"
        async with subscribed(server, transport, query) as rest:
            reading = asyncio.create_task(rest())
            await asyncio.sleep(0.3)
            server.streams.close()
            assert '"number":0' in await asyncio.wait_for(reading, 10)


class TestConnectionsInAll:
    @pytest.mark.parametrize("accept", [MULTIPART, SSE])
    async def test_are_limited(self, accept: str) -> None:
        async with serving(Limits(connections=1)) as server, server.stream(EVENTS, accept):
            refused = await server.post(EVENTS, accept, user="bob")
            assert refused.status_code == 503
            assert refused.json()["errors"][0]["extensions"] == {"code": "SERVICE_UNAVAILABLE"}

    async def test_are_counted_by_transport(self, server: Running) -> None:
        async with server.initialised(), server.stream(EVENTS, SSE):
            assert server.streams.open == {"websocket": 1, "sse": 1}
        await until(lambda: not server.streams.open.total())
