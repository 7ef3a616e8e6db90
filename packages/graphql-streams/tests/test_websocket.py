"""graphql-transport-ws over a real socket: protocol, authentication, limits and closing."""

import asyncio
import hashlib
import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from graphql_streams import Limits
from streams_server import PROTOCOL, Running, bearer, serving, until

NO_BEARER = "Authorization must be: Bearer, a space and the access token."
EVENTS = "subscription { events { number } }"
COUNT = "subscription { count { number } }"


def hash_of(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


def init(token: str) -> dict[str, Any]:
    return {"type": "connection_init", "payload": bearer(token)}


class TestHandshake:
    async def test_subprotocol_is_graphql_transport_ws_without_compression(
        self, server: Running
    ) -> None:
        async with server.socket() as client:
            assert client.connection.subprotocol == PROTOCOL
            assert client.connection.response is not None
            assert "sec-websocket-extensions" not in client.connection.response.headers

    async def test_supported_subprotocol_is_chosen_among_several(self, server: Running) -> None:
        async with server.socket(subprotocols=("graphql-ws", PROTOCOL)) as client:
            assert client.connection.subprotocol == PROTOCOL

    @pytest.mark.parametrize("subprotocols", [(), ("graphql-ws",)])
    async def test_unsupported_subprotocol_closes_the_socket(
        self, server: Running, subprotocols: tuple[str, ...]
    ) -> None:
        async with server.socket(subprotocols=subprotocols) as client:
            assert await client.closed() == (4406, "Subprotocol not acceptable")


class TestConnectionInit:
    @pytest.mark.parametrize(
        "payload",
        [
            {"authorization": "Bearer ada"},
            {"Authorization": "bearer ada"},
            {"AUTHORIZATION": "Bearer  ada "},
            {"headers": {"Authorization": "Bearer ada"}},
            {"Headers": {"authorization": "Bearer ada"}},
        ],
    )
    async def test_token_identifies_the_caller(
        self, server: Running, payload: dict[str, Any]
    ) -> None:
        async with server.socket() as client:
            await client.send({"type": "connection_init", "payload": payload})
            assert await client.receive() == {"type": "connection_ack"}
            await client.subscribe("subscription { whoami }")
            assert (await client.receive())["payload"] == {"data": {"whoami": "ada"}}

    @pytest.mark.parametrize(
        "message",
        [{}, {"payload": {}}, {"payload": None}, {"payload": {"Authorization": " "}}],
    )
    async def test_headers_of_the_upgrade_identify_a_caller_without_token(
        self, server: Running, message: dict[str, Any]
    ) -> None:
        async with server.socket(headers=bearer("bob")) as client:
            await client.send({"type": "connection_init", **message})
            assert await client.receive() == {"type": "connection_ack"}
            await client.subscribe("subscription { whoami }")
            assert (await client.receive())["payload"] == {"data": {"whoami": "bob"}}

    async def test_token_takes_precedence_over_the_headers(self, server: Running) -> None:
        async with server.socket(headers=bearer("bob")) as client:
            await client.send(init("ada"))
            await client.receive()
            await client.subscribe("subscription { whoami }")
            assert (await client.receive())["payload"] == {"data": {"whoami": "ada"}}

    @pytest.mark.parametrize(
        ("payload", "code", "reason"),
        [
            (None, 4401, "Sign in first."),
            ({}, 4401, "Sign in first."),
            ({"authorization": ""}, 4401, "Sign in first."),
            ({"authorization": " \t"}, 4401, "Sign in first."),
            ({"authorization": "Basic ada"}, 4401, NO_BEARER),
            ({"authorization": "Bearer "}, 4401, NO_BEARER),
            ({"authorization": "Bearer forged"}, 4401, "The access token is not valid."),
            ({"authorization": "Bearer expired"}, 4403, "The access token has expired."),
            ({"authorization": "Bearer ended"}, 4401, "The session has ended."),
            (
                {"authorization": "Bearer away"},
                1013,
                "Try again.",
            ),
            ({"authorization": "Bearer broken"}, 4500, "Internal server error"),
            ([], 4400, "Invalid message: the payload is not an object"),
            ({"authorization": 3}, 4400, "Invalid message: `authorization` is not a string"),
        ],
    )
    async def test_invalid_init_closes_the_socket_with_a_reason(
        self, server: Running, payload: object, code: int, reason: str
    ) -> None:
        async with server.socket() as client:
            await client.send({"type": "connection_init", "payload": payload})
            assert await client.closed() == (code, reason)

    async def test_missing_init_closes_the_socket(self) -> None:
        async with serving(Limits(init_seconds=0.2)) as server, server.socket() as client:
            assert await client.closed() == (4408, "Connection initialisation timeout")

    @pytest.mark.parametrize("token", ["ada", "slow"])
    async def test_second_init_closes_the_socket(self, server: Running, token: str) -> None:
        async with server.socket() as client:
            await client.send(init(token))
            await client.send(init(token))
            assert await client.closed() == (4429, "Too many initialisation requests")

    async def test_subscribe_before_the_ack_closes_the_socket(self, server: Running) -> None:
        for first in ((), (init("slow"),)):
            async with server.socket() as client:
                for message in first:
                    await client.send(message)
                await client.subscribe(COUNT)
                assert await client.closed() == (4401, "Unauthorized")


class TestMessages:
    @pytest.mark.parametrize(
        "message",
        [
            *("{", "[]", "3", "null", '"x"', "", "{}", '{"type": 3}', '{"type": "start"}'),
            *('{"type": "subscribe"}', '{"type": "complete"}', '{"type": []}'),
            '{"type": "subscribe", "id": "", "payload": {"query": "{x}"}}',
            '{"type": "subscribe", "id": 1, "payload": {"query": "{x}"}}',
            '{"type": "subscribe", "id": "\\ud800", "payload": {"query": "{x}"}}',
            '{"type": "subscribe", "id": "1", "payload": {"query": "{x}"',
            '{"type": "subscribe", "id": "1", "x": "\\ud800", "payload": {"query": "{x}"}}',
        ],
    )
    async def test_invalid_message_closes_the_socket(self, server: Running, message: str) -> None:
        async with server.initialised() as client:
            await client.send(message)
            code, reason = await client.closed()
            assert code == 4400
            assert reason.startswith("Invalid message: ")

    @pytest.mark.parametrize(
        ("payload", "reason"),
        [
            ("null", "must be a JSON object"),
            ("[]", "batching is not enabled"),
            ("{}", "`query`"),
            ('{"query": ""}', "`query`"),
            ('{"query": 3}', "`query`"),
            ('{"query": "{x}", "variables": []}', "`variables`"),
            ('{"query": "{x}", "operationName": 1}', "`operationName`"),
            ('{"query": "{x}", "extensions": 1}', "`extensions`"),
            ('{"query": "{x} \\ud800"}', "surrogate"),
            ('{"query": "{x}", "variables": {"\\udfff": [NaN]}}', "not valid JSON"),
        ],
    )
    async def test_invalid_payload_fails_only_its_operation(
        self, server: Running, payload: str, reason: str
    ) -> None:
        async with server.initialised() as client:
            await client.subscribe(EVENTS, "good")
            await client.send(f'{{"type": "subscribe", "id": "bad", "payload": {payload}}}')
            answer = await client.receive()
            assert (answer["id"], answer["type"]) == ("bad", "error")
            [error] = answer["payload"]
            assert error["extensions"] == {"code": "BAD_REQUEST"}
            assert reason in error["message"]
            await server.world.put(1)
            assert (await client.receive())["id"] == "good"

    async def test_ping_with_an_invalid_payload_gets_a_pong_without_payload(
        self, server: Running
    ) -> None:
        async with server.initialised() as client:
            await client.send('{"type": "ping", "payload": {"x": "\\ud800"}}')
            assert await client.receive() == {"type": "pong"}

    async def test_persisted_query_fails_its_operation_until_the_document_is_sent(
        self, server: Running
    ) -> None:
        async with server.initialised() as client:
            await client.subscribe(EVENTS, "good")
            extensions = {"persistedQuery": {"version": 1, "sha256Hash": hash_of(COUNT)}}
            await client.send(
                {"type": "subscribe", "id": "hash", "payload": {"extensions": extensions}}
            )
            error = {
                "message": "PersistedQueryNotFound",
                "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"},
            }
            assert await client.receive() == {"id": "hash", "type": "error", "payload": [error]}
            await client.subscribe(COUNT, "hash", extensions=extensions)
            for _ in range(3):
                assert (await client.receive())["type"] == "next"
            assert (await client.receive())["type"] == "complete"
            await server.world.put(1)
            assert (await client.receive())["id"] == "good"

    async def test_binary_message_closes_the_socket(self, server: Running) -> None:
        async with server.initialised() as client:
            await client.connection.send(b'{"type": "ping"}')
            assert (await client.closed())[0] == 4400

    @pytest.mark.parametrize("character", ["x", "é"])
    async def test_too_long_message_closes_the_socket(self, character: str) -> None:
        async with (
            serving(Limits(message_bytes=1000)) as server,
            server.initialised() as client,
        ):
            message = json.dumps({"type": "ping", "payload": character * 499}, ensure_ascii=False)
            await client.send(message)
            if character == "x":
                assert (await client.receive())["type"] == "pong"
                await client.send(" " * 1000 + message)
            assert await client.closed() == (1009, "Message too long")

    async def test_ping_is_answered_at_any_time(self, server: Running) -> None:
        async with server.socket() as client:
            await client.send({"type": "ping", "payload": {"n": 1}})
            assert await client.receive() == {"type": "pong", "payload": {"n": 1}}
            await client.send({"type": "pong"})
            await client.send(init("slow"))
            await client.send({"type": "ping"})
            assert await client.receive() == {"type": "pong"}
            assert await client.receive() == {"type": "connection_ack"}


class TestSubscribe:
    async def test_events_come_in_order_before_complete(self, server: Running) -> None:
        async with server.initialised() as client:
            await client.subscribe(COUNT, "a")
            assert [await client.receive() for _ in range(4)] == [
                *(
                    {"id": "a", "type": "next", "payload": {"data": {"count": {"number": n}}}}
                    for n in range(3)
                ),
                {"id": "a", "type": "complete"},
            ]
            await client.subscribe(COUNT, "a")
            assert (await client.receive())["id"] == "a"

    async def test_variables_and_operation_name_are_used(self, server: Running) -> None:
        query = "subscription A { whoami } subscription B($n: Int!) { count(to: $n) { number } }"
        async with server.initialised() as client:
            await client.subscribe(query, variables={"n": 1}, operationName="B")
            assert (await client.receive())["payload"] == {"data": {"count": {"number": 0}}}
            assert (await client.receive())["type"] == "complete"

    async def test_empty_operation_name_counts_as_missing(self, server: Running) -> None:
        async with server.initialised() as client:
            await client.subscribe("subscription A { whoami }", operationName="")
            assert (await client.receive())["payload"] == {"data": {"whoami": "ada"}}

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ("{ hello }", "Only subscriptions"),
            ("mutation { change }", "Only subscriptions"),
            ("subscription {", "Syntax Error"),
            ("fragment F on Query { hello }", "Fragment"),
            ("subscription ($n: Int!) { count(to: $n) { number } }", "$n"),
            ("subscription { nothing }", "Cannot query field"),
            ("subscription A { whoami } subscription B { whoami }", "operationName"),
            ("subscription {" + " whoami" * 1100 + "}", "tokens"),
            ('subscription { needs(scope: "b") }', "lacks the scope b"),
            ('subscription { joins(scope: "b") }', "lacks the scope b"),
        ],
    )
    async def test_invalid_operation_fails_alone(
        self, server: Running, query: str, message: str
    ) -> None:
        async with server.initialised() as client:
            await client.subscribe(query, "x")
            answer = await client.receive()
            assert (answer["id"], answer["type"]) == ("x", "error")
            assert message in answer["payload"][0]["message"]
            await client.subscribe(COUNT, "x")
            assert (await client.receive())["type"] == "next"

    async def test_unknown_operation_name_is_an_error(self, server: Running) -> None:
        async with server.initialised() as client:
            await client.subscribe(COUNT, operationName="Z")
            assert (await client.receive())["type"] == "error"

    async def test_id_in_use_closes_the_socket(self, server: Running) -> None:
        async with server.initialised() as client:
            await client.subscribe(EVENTS, "a")
            await client.subscribe(EVENTS, "a")
            assert await client.closed() == (4409, "Subscriber for a already exists")
        await until(lambda: not server.world.running)

    async def test_each_operation_has_a_separate_context(self, server: Running) -> None:
        async with server.initialised() as client:
            await client.subscribe(EVENTS, "a")
            await client.subscribe(EVENTS, "b")
            await until(lambda: len(server.world.contexts) == 2)
        assert server.world.contexts[0] is not server.world.contexts[1]

    async def test_next_event_follows_one_with_an_error(self, server: Running) -> None:
        async with server.initialised() as client:
            await client.subscribe("subscription { count(to: 2) { number broken } }")
            for number in range(2):
                answer = await client.receive()
                assert answer["type"] == "next"
                assert answer["payload"]["data"] == {"count": {"number": number, "broken": None}}
                assert answer["payload"]["errors"][0]["path"] == ["count", "broken"]

    @pytest.mark.parametrize("after", [0, 2])
    async def test_unexpected_exception_is_masked_and_logged(
        self, server: Running, after: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with server.initialised() as client:
            await client.subscribe(EVENTS, "a")
            await client.subscribe(EVENTS, "b")
            await until(lambda: server.world.running == 2)
            await server.world.put(*range(after), RuntimeError("the password is hunter2"))
            for _ in range(after):
                assert (await client.receive())["type"] == "next"
            answer = await client.receive()
            assert answer["type"] == "error"
            assert answer["payload"] == [
                {
                    "message": "Something went wrong on our side.",
                    "extensions": {"code": "INTERNAL_SERVER_ERROR"},
                }
            ]
            assert "hunter2" in caplog.text
            await server.world.put(5)
            assert (await client.receive())["type"] == "next"  # the other one goes on


class TestComplete:
    async def test_complete_closes_the_generator_and_frees_the_id(self, server: Running) -> None:
        async with server.initialised() as client:
            await client.subscribe(EVENTS, "a")
            await server.world.put(1)
            await client.receive()
            await client.send({"type": "complete", "id": "a"})
            await asyncio.wait_for(server.world.closed.wait(), 5)
            await client.send({"type": "complete", "id": "never heard of"})
            await client.subscribe(COUNT, "a")
            assert (await client.receive())["payload"] == {"data": {"count": {"number": 0}}}

    async def test_nothing_is_sent_for_an_operation_that_the_client_has_completed(
        self, server: Running
    ) -> None:
        """Its source catches the cancellation, yields an event after it, and ends."""
        async with server.initialised() as client:
            await client.subscribe("subscription { stubborn }", "a")
            await until(lambda: server.world.running == 1)
            await client.send({"type": "complete", "id": "a"})
            await client.subscribe(EVENTS, "b")
            await server.world.put(1)
            assert (await client.receive())["id"] == "b"
            server.world.gate.set()
            await until(lambda: server.world.running == 1)
            await client.subscribe(COUNT, "a")
            assert (await client.receive())["payload"] == {"data": {"count": {"number": 0}}}


class TestEnds:
    @pytest.mark.parametrize(
        ("end", "code", "reason"),
        [
            ("expired", 4403, "The access token has expired."),
            ("ended", 4401, "The session has ended."),
            (
                "slow",
                1013,
                "The subscriber reads too slowly. Subscribe again from the last cursor.",
            ),
        ],
    )
    @pytest.mark.parametrize("after", [0, 2])
    async def test_error_of_an_event_may_end_the_socket(
        self, server: Running, end: str, code: int, reason: str, after: int
    ) -> None:
        async with server.initialised() as client:
            await client.subscribe(EVENTS, "a")
            await server.world.put(*range(after))
            for _ in range(after):
                await client.receive()
            await client.subscribe("subscription { flood { number } }", "b")
            await server.world.put(end)
            assert await client.closed() == (code, reason)
        await until(lambda: not server.world.running and not len(server.streams.connections))

    async def test_error_before_the_first_event_may_end_the_socket(self, server: Running) -> None:
        async with server.initialised() as client:
            await client.subscribe('subscription { ends(how: "ended") }')
            assert await client.closed() == (4401, "The session has ended.")

    @pytest.mark.parametrize("after", [0, 1])
    async def test_client_leaves_before_or_between_events(
        self, server: Running, after: int
    ) -> None:
        async with server.initialised() as client:
            await client.subscribe(EVENTS)
            await server.world.put(*range(after))
            await until(lambda: server.world.running)
        await asyncio.wait_for(server.world.closed.wait(), 5)
        await until(lambda: not len(server.streams.connections))

    async def test_client_is_cut_off_while_events_are_sent(self, server: Running) -> None:
        async with server.initialised() as client:
            await client.subscribe("subscription { flood { big } }")
            await client.receive()
            client.connection.transport.abort()
            await asyncio.wait_for(server.world.closed.wait(), 5)
        await until(lambda: not len(server.streams.connections))

    async def test_event_in_flight_is_not_sent_after_the_session_ends(
        self, server: Running
    ) -> None:
        async with server.initialised() as client:
            await client.subscribe("subscription { events { number gated } }")
            await server.world.put(1)
            await until(lambda: server.world.waiting)
            server.streams.connections.end_sessions(["session of ada"])
            server.world.gate.set()
            with pytest.raises(ConnectionClosed):
                await client.receive()
            assert await client.closed() == (4401, "The session has ended.")
        await until(lambda: not server.world.running and not server.streams.connections.sessions())

    async def test_end_of_the_session_closes_an_idle_socket(self, server: Running) -> None:
        async with server.initialised() as client:
            assert [*server.streams.connections.sessions()] == ["session of ada"]
            server.streams.connections.end_sessions(["session of bob"])
            await client.subscribe("subscription { count(to: 1) { number } }")
            assert (await client.receive())["type"] == "next"
            server.streams.connections.end_sessions(["session of ada"])
            assert await client.closed() == (4401, "The session has ended.")

    async def test_shutdown_closes_the_socket_with_a_reason(self, server: Running) -> None:
        async with server.initialised() as busy, server.socket() as fresh:
            await busy.subscribe(EVENTS)
            await until(lambda: server.world.running)
            server.streams.close()
            expected = (1012, "The server restarts. Subscribe again from the last cursor.")
            assert await busy.closed() == expected
            assert await fresh.closed() == expected
            async with server.socket() as late:
                assert await late.closed() == expected
        assert not server.world.running


class TestLimits:
    async def test_operations_per_socket_are_limited(self) -> None:
        async with (
            serving(Limits(operations_per_socket=1)) as server,
            server.initialised() as client,
        ):
            await client.subscribe(EVENTS, "a")
            await client.subscribe(EVENTS, "b")
            answer = await client.receive()
            assert (answer["id"], answer["type"]) == ("b", "error")
            assert answer["payload"][0]["extensions"] == {"code": "TOO_MANY_REQUESTS"}
            await client.send({"type": "complete", "id": "a"})
            await client.subscribe(COUNT, "b")
            assert (await client.receive())["type"] == "next"

    async def test_completed_operation_counts_until_it_has_ended(self) -> None:
        async with (
            serving(Limits(operations_per_socket=1)) as server,
            server.initialised() as client,
        ):
            for number in range(3):
                await client.subscribe("subscription { stubborn }", f"{number}")
                await client.send({"type": "complete", "id": f"{number}"})
            refused = await client.receive()
            assert (refused["id"], refused["type"]) == ("2", "error")
            server.world.gate.set()

    async def test_connections_in_all_are_limited(self) -> None:
        async with (
            serving(Limits(connections=1)) as server,
            server.socket(),
            server.socket() as second,
        ):
            assert (await second.closed())[0] == 1013

    async def test_sockets_per_caller_are_limited(self) -> None:
        async with serving(Limits(connections_per_caller=1)) as server:
            async with server.initialised():
                async with server.socket() as second:
                    await second.send(init("ada"))
                    assert (await second.closed())[0] == 4429
                async with server.socket(headers=bearer("bob")) as another:
                    await another.send({"type": "connection_init"})
                    assert await another.receive() == {"type": "connection_ack"}
            await until(lambda: not len(server.streams.connections))
            async with server.initialised():
                pass

    async def test_idle_socket_is_closed(self) -> None:
        async with (
            serving(Limits(idle_seconds=0.3)) as server,
            server.initialised() as client,
        ):
            await client.subscribe(EVENTS)
            await asyncio.sleep(0.6)  # is not idle, however quiet
            await server.world.put(1)
            assert (await client.receive())["type"] == "next"
            await client.send({"type": "complete", "id": "1"})
            assert await client.closed() == (1000, "No active operations")

    async def test_client_that_does_not_read_is_disconnected(self) -> None:
        async with (
            serving(Limits(send_seconds=0.5)) as server,
            server.initialised(max_queue=1, close_timeout=0.1) as client,
        ):
            await client.subscribe("subscription { flood { big } }")
            await asyncio.wait_for(server.world.closed.wait(), 10)
            await until(lambda: not len(server.streams.connections))
            # What the server, the kernel and the client's own buffers hold, and no more.
            assert server.world.queue.qsize() < 400
