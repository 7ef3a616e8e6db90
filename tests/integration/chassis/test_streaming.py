"""How the chassis uses graphql-streams: callers, codes, masking, log, shutdown and limits.

The protocols are tested in packages/graphql-streams.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from websockets.exceptions import InvalidStatus

from chassis.app import STREAM_PATH
from graphql_streams import Limits
from tests.integration.chassis.streaming_server import (
    MULTIPART,
    PROTOCOL,
    SSE,
    TRUSTED,
    Running,
    person,
    serving,
)

EVENTS = "subscription { events { number } }"
COUNT = "subscription { count { number } }"
WHOAMI = "subscription { whoami }"


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    async with serving() as running:
        yield running


def init(token: str) -> dict[str, Any]:
    return {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}


async def until(holds: Callable[[], object]) -> None:
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("never came true")


async def flood(writer: asyncio.StreamWriter, data: bytes) -> None:
    for _ in range(1000):
        writer.write(data)
        await writer.drain()


def code_in(response: httpx.Response) -> str:
    [error] = response.json()["errors"]
    code: str = error["extensions"]["code"]
    return code


class TestEdge:
    @pytest.mark.parametrize("secret", ["guess", ""])
    async def test_upgrade_without_its_secret_is_refused(
        self, server: Running, secret: str
    ) -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with server.socket(headers={"x-router-secret": secret}):
                pass
        assert refused.value.response.status_code == 403
        assert json.loads(refused.value.response.body)["errors"][0]["extensions"] == {
            "code": "FORBIDDEN"
        }

    @pytest.mark.parametrize("secret", [{}, {"x-router-secret": "guess"}])
    async def test_request_without_its_secret_is_refused(
        self, server: Running, secret: dict[str, str]
    ) -> None:
        headers = secret | {"accept": SSE} | person().headers()
        response = await server.http.post(STREAM_PATH, json={"query": EVENTS}, headers=headers)
        assert response.status_code == 403

    @pytest.mark.parametrize("accept", [MULTIPART, SSE])
    async def test_its_headers_identify_the_caller_of_a_request(
        self, server: Running, accept: str
    ) -> None:
        response = await server.post(WHOAMI, accept, principal=person(3))
        assert '"whoami":"user3"' in response.text

    @pytest.mark.parametrize(
        "message",
        [{}, {"payload": {}}, {"payload": None}, {"payload": {"Authorization": " "}}],
    )
    async def test_its_headers_identify_the_caller_of_a_socket(
        self, server: Running, message: dict[str, Any]
    ) -> None:
        async with server.socket(headers=person(3).headers()) as client:
            await client.send({"type": "connection_init", **message})
            assert await client.receive() == {"type": "connection_ack"}
            await client.subscribe(WHOAMI)
            assert (await client.receive())["payload"] == {"data": {"whoami": "user3"}}

    async def test_token_in_the_first_message_takes_precedence(self, server: Running) -> None:
        async with server.socket(headers=person(3).headers()) as client:
            await client.send(init("good"))
            await client.receive()
            await client.subscribe(WHOAMI)
            assert (await client.receive())["payload"] == {"data": {"whoami": "user7"}}


class TestRefusedCaller:
    @pytest.mark.parametrize(
        ("token", "code", "reason"),
        [
            ("wrong", 4401, "The access token is not valid."),
            ("expired", 4403, "The access token has expired."),
            ("ended", 4401, "The session has ended."),
            ("away", 1013, "The service is busy. Try again shortly."),
            ("broken", 4500, "Internal server error"),
        ],
    )
    async def test_socket_is_closed_with_the_reason_of_auth(
        self, server: Running, token: str, code: int, reason: str
    ) -> None:
        async with server.socket() as client:
            await client.send(init(token))
            assert await client.closed() == (code, reason)

    async def test_socket_without_a_token_is_closed(self, server: Running) -> None:
        async with server.socket() as client:
            await client.send({"type": "connection_init"})
            assert await client.closed() == (4401, "Sign in first.")

    @pytest.mark.parametrize("accept", [MULTIPART, SSE])
    async def test_anonymous_request_opens_no_stream(self, server: Running, accept: str) -> None:
        response = await server.http.post(
            STREAM_PATH, json={"query": EVENTS}, headers=TRUSTED | {"accept": accept}
        )
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json() == {
            "errors": [{"message": "Sign in first.", "extensions": {"code": "UNAUTHENTICATED"}}]
        }


class TestInvalidOperation:
    """The schema's codes, and their statuses. The edge sends requests here past the router."""

    CASES = pytest.mark.parametrize(
        ("query", "status", "code"),
        [
            ("{ hello }", 400, "BAD_REQUEST"),
            ("mutation { change }", 400, "BAD_REQUEST"),
            ("{ _service { sdl } }", 400, "BAD_REQUEST"),
            ("{ _entities(representations: []) { __typename } }", 400, "BAD_REQUEST"),
            ("fragment F on Query { hello }", 400, "BAD_REQUEST"),
            ("subscription {", 400, "GRAPHQL_PARSE_FAILED"),
            ("subscription {" + " whoami" * 600 + "}", 400, "GRAPHQL_PARSE_FAILED"),
            ("subscription { nothing }", 400, "GRAPHQL_VALIDATION_FAILED"),
            (
                "subscription A { whoami } subscription B { whoami }",
                400,
                "GRAPHQL_VALIDATION_FAILED",
            ),
            (
                "subscription ($n: Int!) { count(to: $n) { number } }",
                400,
                "BAD_USER_INPUT",
            ),
            ('subscription { needs(scope: "b") }', 403, "FORBIDDEN"),
            ('subscription { joins(scope: "b") }', 403, "FORBIDDEN"),
            ("subscription { fails }", 500, "INTERNAL_SERVER_ERROR"),
        ],
    )

    @CASES
    async def test_multipart_request_has_a_status(
        self, server: Running, query: str, status: int, code: str
    ) -> None:
        response = await server.post(query, MULTIPART)
        assert (response.status_code, code_in(response)) == (status, code)

    @CASES
    async def test_event_stream_reports_it(
        self, server: Running, query: str, status: int, code: str
    ) -> None:
        response = await server.post(query, SSE)
        assert response.status_code == 200
        assert f'"code":"{code}"' in response.text

    @CASES
    async def test_only_this_operation_of_a_socket_fails(
        self, server: Running, query: str, status: int, code: str
    ) -> None:
        async with server.initialised() as client:
            await client.subscribe(query, "x")
            answer = await client.receive()
            assert (answer["id"], answer["type"]) == ("x", "error")
            assert answer["payload"][0]["extensions"]["code"] == code
            await client.subscribe(COUNT, "x")
            assert (await client.receive())["type"] == "next"

    async def test_too_large_request_is_refused(self, server: Running) -> None:
        response = await server.post(COUNT + " " * 300_000, MULTIPART)
        assert (response.status_code, code_in(response)) == (413, "BAD_REQUEST")


class TestErrors:
    @pytest.mark.parametrize("accept", [MULTIPART, SSE])
    async def test_errors_of_an_event_are_masked_and_logged(
        self, server: Running, accept: str
    ) -> None:
        with capture_logs() as logs:
            response = await server.post("subscription { count(to: 1) { broken } }", accept)
        assert '"data":{"count":{"broken":null}}' in response.text
        assert '"code":"INTERNAL_SERVER_ERROR"' in response.text
        assert "hunter2" not in response.text
        assert "hunter2" in repr([entry.get("exc_info") for entry in logs])

    async def test_unexpected_exception_is_masked_and_logged(self, server: Running) -> None:
        async with server.initialised() as client:
            await client.subscribe(EVENTS)
            with capture_logs() as logs:
                await server.world.put(RuntimeError("the password is hunter2"))
                answer = await client.receive()
        assert answer["payload"] == [
            {
                "message": "Something went wrong on our side.",
                "extensions": {"code": "INTERNAL_SERVER_ERROR"},
            }
        ]
        assert "hunter2" in repr([entry.get("exc_info") for entry in logs])

    @pytest.mark.parametrize(
        ("end", "code", "reason"),
        [
            ("expired", 4403, "The access token has expired."),
            ("ended", 4401, "The session has ended."),
        ],
    )
    async def test_exception_of_a_resolver_may_end_the_socket(
        self, server: Running, end: str, code: int, reason: str
    ) -> None:
        async with server.initialised() as client:
            await client.subscribe(f'subscription {{ ends(how: "{end}") }}')
            assert await client.closed() == (code, reason)


class TestContext:
    async def test_each_operation_has_its_own(self, server: Running) -> None:
        async with server.initialised() as client:
            await client.subscribe(EVENTS, "a")
            await client.subscribe(EVENTS, "b")
            await until(lambda: len(server.world.contexts) == 2)
        assert server.world.contexts[0] is not server.world.contexts[1]


class TestSession:
    """The field `events` knows nothing of sessions."""

    async def test_end_closes_the_socket(self, server: Running) -> None:
        async with server.initialised() as client:
            await client.subscribe(EVENTS)
            await until(lambda: server.world.running)
            assert [*server.streams.connections.sessions()] == [str(person(7).session_id)]
            server.streams.connections.end_sessions([str(person(7).session_id)])
            await server.world.put(1)
            assert await client.closed() == (4401, "The session has ended.")

    @pytest.mark.parametrize("accept", [MULTIPART, SSE])
    async def test_end_and_expiry_end_the_stream(self, server: Running, accept: str) -> None:
        async with server.stream(EVENTS, accept) as response:
            await until(lambda: server.world.running)
            server.streams.connections.end_sessions([str(person().session_id)])
            assert "The session has ended." in (await response.aread()).decode()
        expired = await server.post(EVENTS, accept, principal=person(lifetime=0.2))
        assert "The access token has expired." in expired.text

    @pytest.mark.parametrize("accept", [MULTIPART, SSE])
    async def test_event_waits_while_ended_sessions_are_uncertain(
        self, server: Running, accept: str
    ) -> None:
        async with server.stream(EVENTS, accept) as response:
            await until(lambda: server.world.running)
            server.sessions.is_current = False
            await server.world.put(1, None)
            await asyncio.sleep(0.1)
            assert server.world.running
            server.sessions.is_current = True
            assert '"number":1' in (await response.aread()).decode()

    async def test_socket_of_an_ended_session_is_not_opened(self, server: Running) -> None:
        server.sessions.ended.add(str(person(7).session_id))
        async with server.socket() as client:
            await client.send(init("good"))
            assert await client.closed() == (4401, "The session has ended.")


class TestShutdown:
    async def test_socket_and_stream_are_ended_with_a_reason(self, server: Running) -> None:
        reason = "The server restarts. Subscribe again from the last cursor."
        async with server.initialised() as client, server.stream(EVENTS, SSE) as response:
            await until(lambda: server.world.running)
            server.shutdown.begin()
            assert await client.closed() == (1012, reason)
            assert reason in (await response.aread()).decode()
        assert (await server.post(EVENTS, MULTIPART)).status_code == 503


class TestLog:
    async def test_end_of_a_socket_is_logged_with_its_code(self, server: Running) -> None:
        with capture_logs() as logs:
            async with server.socket() as client:
                await client.send(init("wrong"))
                await client.closed()
            await until(lambda: logs)
        [line] = [entry for entry in logs if entry["event"] == "socket closed"]
        assert (line["path"], line["code"]) == (STREAM_PATH, 4401)


class TestServer:
    """What chassis/server.py sets in uvicorn."""

    async def test_sockets_are_not_compressed(self, server: Running) -> None:
        async with server.socket() as client:
            assert client.connection.subprotocol == PROTOCOL
            assert client.connection.response is not None
            assert "sec-websocket-extensions" not in client.connection.response.headers

    async def test_too_long_message_closes_the_socket(self, server: Running) -> None:
        async with server.initialised() as client:
            await client.send({"type": "ping", "payload": {"x": "x" * 70_000}})
            assert (await client.closed())[0] == 1009

    async def test_client_that_does_not_read_pongs_is_disconnected(self) -> None:
        """Otherwise unread pongs would accumulate in the server."""
        async with serving() as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            upgrade = {
                "host": "x",
                "connection": "upgrade",
                "upgrade": "websocket",
                "sec-websocket-version": "13",
                "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
                "sec-websocket-protocol": PROTOCOL,
            }
            lines = [f"{name}: {value}" for name, value in (TRUSTED | upgrade).items()]
            head = "\r\n".join([f"GET {STREAM_PATH} HTTP/1.1", *lines, "", ""])
            writer.write(head.encode())
            assert b" 101 " in await reader.readline()
            ping = b"\x89\xfd" + bytes(4) + bytes(125)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(flood(writer, ping * 1000), 20)
            writer.close()


class TestLimits:
    async def test_connections_of_a_user_are_limited(self) -> None:
        async with serving(Limits(connections_per_caller=1)) as server, server.initialised():
            async with server.socket() as second:
                await second.send(init("good"))
                assert (await second.closed())[0] == 4429
            refused = await server.post(EVENTS, SSE, principal=person(7))
            assert (refused.status_code, code_in(refused)) == (429, "TOO_MANY_REQUESTS")
