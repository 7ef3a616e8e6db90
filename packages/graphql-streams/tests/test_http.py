"""Subscriptions as HTTP responses: Apollo's multipart protocol and graphql-sse, byte for byte."""

import asyncio
import email.parser
import email.policy
import json
import socket
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import httpx
import pytest

from graphql_streams import Limits
from streams_server import MULTIPART, PATH, SSE, Running, bearer, serving, until

EVENTS = "subscription { events { number } }"
COUNT = "subscription { count { number } }"
HEAD = "\r\ncontent-type: application/json\r\n\r\n"
OPENING = f"\r\n--graphql{HEAD}{{}}\r\n--graphql"


def multipart(*messages: object, last: str) -> str:
    """Return a body as the Apollo Router writes it."""
    parts = "".join(f"{HEAD}{json.dumps(m, separators=(',', ':'))}\r\n--graphql" for m in messages)
    return OPENING + parts + last


def parse_multipart(response: httpx.Response) -> list[Any]:
    """Return the parts, read by a strict MIME parser."""
    text = f"content-type: {response.headers['content-type']}\r\n\r\n{response.text}"
    policy = email.policy.HTTP.clone(raise_on_defect=True)
    message = email.parser.Parser(policy=policy).parsestr(text)
    assert message.is_multipart()
    assert message.get_boundary() == "graphql"
    parts = message.get_payload()
    assert isinstance(parts, list)
    assert all(part.get_content_type() == "application/json" for part in parts)  # type: ignore[union-attr]
    return [json.loads(part.get_payload()) for part in parts]  # type: ignore[union-attr,arg-type]


def parse_events(text: str) -> list[tuple[str, Any]]:
    """Return events and data as the WHATWG defines them, without comments."""
    events = []
    assert text.endswith("\n\n")
    for block in text.removesuffix("\n\n").split("\n\n"):
        fields = dict(line.partition(":")[::2] for line in block.split("\n"))
        if "event" in fields:
            data = fields["data"].removeprefix(" ")
            events.append((fields["event"].strip(), json.loads(data) if data else None))
    return events


def event(number: int) -> dict[str, Any]:
    return {"data": {"count": {"number": number}}}


async def read_until(chunks: AsyncIterator[str], wanted: str) -> str:
    text = ""
    async with asyncio.timeout(10):
        while wanted not in text:
            text += await anext(chunks)
    return text


class TestMultipart:
    async def test_bytes_are_those_of_the_router(self, server: Running) -> None:
        response = await server.post(COUNT, MULTIPART)
        assert response.status_code == 200
        assert (
            response.headers["content-type"]
            == 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
        )
        assert response.headers["x-accel-buffering"] == "no"
        assert "no-store" in response.headers["cache-control"]
        messages = [{"payload": event(number)} for number in range(3)]
        assert response.text == multipart(*messages, last="--\r\n")
        assert parse_multipart(response) == [{}, *messages]

    async def test_stream_opens_before_the_first_event_and_sends_heartbeats(self) -> None:
        async with (
            serving(Limits(heartbeat_seconds=0.1)) as server,
            server.stream(EVENTS, MULTIPART) as response,
        ):
            chunks = response.aiter_text()
            heartbeats = await read_until(chunks, (HEAD + "{}\r\n--graphql") * 2)
            assert heartbeats.startswith(OPENING)
            await server.world.put(1)
            await read_until(chunks, '{"payload":{"data":{"events":{"number":1}}}}')

    @pytest.mark.parametrize(
        "accept",
        [
            "multipart/mixed;subscriptionSpec=1.0",
            'multipart/mixed; boundary="graphql"; subscriptionSpec="1.0", application/json',
            "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json",
            "application/json, multipart/mixed;subscriptionSpec=1.0;boundary=graphql",
            "Multipart/Mixed ; SubscriptionSpec=1.0",
            "multipart/mixed;deferSpec=20220824, multipart/mixed;subscriptionSpec=1.0",
            'text/html;x="a,b;c", multipart/mixed;subscriptionSpec=1.0;q=0.5',
            "text/event-stream;q=0.1, multipart/mixed;subscriptionSpec=1.0;q=0.2",
            "text/event-stream;q=0, multipart/mixed;subscriptionSpec=1.0",
        ],
    )
    async def test_accept_may_be_written_in_many_ways(self, server: Running, accept: str) -> None:
        response = await server.post(COUNT, accept)
        assert len(parse_multipart(response)) == 4

    @pytest.mark.parametrize(
        ("query", "status", "message"),
        [
            ("{ hello }", 400, "Only subscriptions"),
            ("mutation { change }", 400, "Only subscriptions"),
            ("subscription {", 400, "Syntax Error"),
            ("subscription { nothing }", 400, "Cannot query field"),
            ("subscription A { whoami } subscription B { whoami }", 400, "operationName"),
            ("subscription ($n: Int!) { count(to: $n) { number } }", 400, "$n"),
            ('subscription { needs(scope: "b") }', 403, "lacks the scope b"),
            ('subscription { joins(scope: "b") }', 403, "lacks the scope b"),
            ('subscription { ends(how: "expired") }', 401, "expired"),
            ("subscription { fails }", 500, "Something went wrong"),
        ],
    )
    async def test_invalid_operation_is_refused_before_the_stream(
        self, server: Running, query: str, status: int, message: str
    ) -> None:
        response = await server.post(query, MULTIPART)
        assert response.status_code == status
        assert response.headers["content-type"] == "application/json"
        assert message in response.json()["errors"][0]["message"]

        response = await server.post(query, "multipart/mixed;subscriptionSpec=1.0")
        assert response.status_code == status
        [part] = parse_multipart(response)
        assert message in part["errors"][0]["message"]

    @pytest.mark.parametrize(
        ("end", "error"),
        [
            (
                "expired",
                {
                    "message": "The access token has expired.",
                    "extensions": {"code": "UNAUTHENTICATED", "reason": "EXPIRED"},
                },
            ),
            (
                "ended",
                {
                    "message": "The session has ended.",
                    "extensions": {"code": "UNAUTHENTICATED", "reason": "SESSION_ENDED"},
                },
            ),
            (
                RuntimeError("the password is hunter2"),
                {
                    "message": "Something went wrong on our side.",
                    "extensions": {"code": "INTERNAL_SERVER_ERROR"},
                },
            ),
        ],
    )
    async def test_ended_stream_sends_a_fatal_message(
        self,
        server: Running,
        end: object,
        error: dict[str, Any],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        async with server.stream(EVENTS, MULTIPART) as response:
            await server.world.put(0, end)
            text = (await response.aread()).decode()
        fatal = {
            "payload": None,
            "errors": [error],
        }
        first = {"payload": {"data": {"events": {"number": 0}}}}
        assert text == multipart(first, fatal, last="--\r\n")
        assert parse_multipart(response) == [{}, first, fatal]
        assert ("hunter2" in caplog.text) is isinstance(end, Exception)


class TestEventStream:
    async def test_bytes_are_those_that_graphql_sse_reads(self, server: Running) -> None:
        response = await server.post(COUNT, SSE)
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["x-accel-buffering"] == "no"
        assert "no-transform" in response.headers["cache-control"]
        assert response.text == (
            ":\n\n"
            'event: next\ndata: {"data":{"count":{"number":0}}}\n\n'
            'event: next\ndata: {"data":{"count":{"number":1}}}\n\n'
            'event: next\ndata: {"data":{"count":{"number":2}}}\n\n'
            "event: complete\ndata:\n\n"
        )
        assert parse_events(response.text) == [
            *(("next", event(number)) for number in range(3)),
            ("complete", None),
        ]

    async def test_stream_sends_heartbeats(self) -> None:
        async with (
            serving(Limits(heartbeat_seconds=0.1)) as server,
            server.stream(EVENTS, SSE) as response,
        ):
            await read_until(response.aiter_text(), ":\n\n:\n\n:\n\n")

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ("{ hello }", "Only subscriptions"),
            ("subscription {", "Syntax Error"),
            ("subscription { nothing }", "Cannot query field"),
            ('subscription { needs(scope: "b") }', "lacks the scope b"),
            ("subscription { fails }", "Something went wrong"),
        ],
    )
    async def test_invalid_operation_is_reported_in_the_stream(
        self, server: Running, query: str, message: str
    ) -> None:
        response = await server.post(query, SSE)
        assert response.status_code == 200
        (kind, answer), complete = parse_events(response.text)
        assert (kind, complete) == ("next", ("complete", None))
        assert message in answer["errors"][0]["message"]

    @pytest.mark.parametrize(
        ("end", "reason"), [("expired", "EXPIRED"), ("ended", "SESSION_ENDED")]
    )
    async def test_ended_stream_sends_an_error_and_complete(
        self, server: Running, end: str, reason: str
    ) -> None:
        async with server.stream(EVENTS, SSE) as response:
            await server.world.put(0, end)
            text = (await response.aread()).decode()
        [_, (kind, answer), complete] = parse_events(text)
        assert (kind, complete) == ("next", ("complete", None))
        assert answer["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED", "reason": reason}


class TestRequests:
    @pytest.mark.parametrize("accept", [MULTIPART, SSE])
    async def test_anonymous_request_opens_no_stream(self, server: Running, accept: str) -> None:
        response = await server.http.post(PATH, json={"query": EVENTS}, headers={"accept": accept})
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.headers["content-type"] == "application/json"
        assert response.json() == {
            "errors": [{"message": "Sign in first.", "extensions": {"code": "UNAUTHENTICATED"}}]
        }

    @pytest.mark.parametrize(
        "accept",
        [
            *("application/json", "*/*", "", "multipart/mixed", "text/*", "nonsense,,;"),
            *("multipart/mixed;deferSpec=20220824", "multipart/mixed;subscriptionSpec=2.0"),
            'text/plain;x="multipart/mixed;subscriptionSpec=1.0"',
            *("text/event-stream;q=0", "multipart/mixed;subscriptionSpec=1.0;q=0"),
        ],
    )
    async def test_accept_without_a_streaming_type_is_refused(
        self, server: Running, accept: str
    ) -> None:
        for query in ("{ hello }", EVENTS):
            response = await server.post(query, accept)
            assert response.status_code == 406
            assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
    async def test_other_method_than_post_is_refused(self, server: Running, method: str) -> None:
        headers = {"accept": SSE} | bearer("ada")
        url = f"{PATH}?query={EVENTS}"
        response = await server.http.request(method, url, headers=headers)
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"

    @pytest.mark.parametrize(
        ("body", "content_type", "status"),
        [
            ("{", "application/json", 400),
            ("3", "application/json", 400),
            ("[]", "application/json", 400),
            ("null", "application/json", 400),
            ("{}", "application/json", 400),
            ('{"query": 3}', "application/json", 400),
            ('{"query": "{x}", "variables": 3}', "application/json", 400),
            ('{"query": "{x}", "operationName": 3}', "application/json", 400),
            ('{"query": "{x} \\ud800"}', "application/json", 400),
            (b'{"query": "{x} \xff"}', "application/json;charset=iso-8859-1", 400),
            (
                json.dumps(
                    {"query": COUNT, "extensions": {"persistedQuery": {"sha256Hash": "0" * 64}}}
                ),
                "application/json",
                400,
            ),
            (json.dumps({"query": COUNT}), "text/plain", 415),
            (json.dumps({"query": COUNT}), "", 415),
            (json.dumps({"query": COUNT + " " * 300_000}), "application/json", 413),
        ],
    )
    async def test_invalid_request_gets_a_graphql_error(
        self, server: Running, body: str | bytes, content_type: str, status: int
    ) -> None:
        headers = {"accept": MULTIPART, "content-type": content_type}
        response = await server.http.post(PATH, content=body, headers=headers | bearer("ada"))
        assert response.status_code == status
        assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"

    async def test_variables_and_operation_name_are_used(self, server: Running) -> None:
        query = "subscription A { whoami } subscription B($n: Int!) { count(to: $n) { number } }"
        response = await server.post(query, MULTIPART, variables={"n": 1}, operationName="B")
        assert parse_multipart(response) == [{}, {"payload": event(0)}]
        response = await server.post(query, MULTIPART, operationName="A")
        assert parse_multipart(response) == [{}, {"payload": {"data": {"whoami": "ada"}}}]

    async def test_empty_operation_name_counts_as_missing(self, server: Running) -> None:
        response = await server.post("subscription A { whoami }", MULTIPART, operationName="")
        assert parse_multipart(response) == [{}, {"payload": {"data": {"whoami": "ada"}}}]

    @pytest.mark.parametrize(
        "content_type",
        [
            "Application/JSON",
            "application/json ; charset=UTF-8",
            "application/graphql-response+json",
        ],
    )
    async def test_case_of_the_media_type_does_not_matter(
        self, server: Running, content_type: str
    ) -> None:
        headers = {"accept": SSE, "content-type": content_type} | bearer("ada")
        body = json.dumps({"query": COUNT})
        response = await server.http.post(PATH, content=body, headers=headers)
        assert response.status_code == 200

    @pytest.mark.parametrize("value", ["x", None])
    async def test_wrong_variable_is_refused(self, server: Running, value: str | None) -> None:
        query = "subscription ($n: Int!) { count(to: $n) { number } }"
        response = await server.post(query, MULTIPART, variables={"n": value})
        assert response.status_code == 400
        assert "$n" in response.json()["errors"][0]["message"]


class TestPersistedQuery:
    ERROR: ClassVar = {
        "message": "PersistedQueryNotFound",
        "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"},
    }

    async def ask(self, server: Running, accept: str) -> httpx.Response:
        body = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}}
        headers = {"accept": accept} | bearer("ada")
        response = await server.http.post(PATH, json=body, headers=headers)
        assert response.status_code == 200
        assert "no-store" in response.headers["cache-control"]
        return response

    async def test_hash_without_document_is_refused_in_json(self, server: Running) -> None:
        response = await self.ask(server, MULTIPART)
        assert response.headers["content-type"] == "application/json"
        assert response.json() == {"errors": [self.ERROR]}

    async def test_hash_without_document_is_refused_in_a_part(self, server: Running) -> None:
        response = await self.ask(server, "multipart/mixed;subscriptionSpec=1.0")
        assert parse_multipart(response) == [{"errors": [self.ERROR]}]

    async def test_hash_without_document_is_refused_in_an_event(self, server: Running) -> None:
        response = await self.ask(server, SSE)
        assert response.headers["content-type"] == "text/event-stream"
        assert parse_events(response.text) == [
            ("next", {"errors": [self.ERROR]}),
            ("complete", None),
        ]


@pytest.mark.parametrize("accept", [MULTIPART, SSE])
class TestEnds:
    @pytest.mark.parametrize("after", [0, 1])
    async def test_client_leaves_before_or_between_events(
        self, server: Running, accept: str, after: int
    ) -> None:
        async with server.stream(EVENTS, accept) as response:
            await server.world.put(*range(after))
            await anext(response.aiter_raw())
        await asyncio.wait_for(server.world.closed.wait(), 5)
        await until(lambda: not len(server.streams.connections))

    async def test_client_leaves_while_events_are_sent(self, server: Running, accept: str) -> None:
        async with server.stream("subscription { flood { big } }", accept) as response:
            await anext(response.aiter_raw())
        await asyncio.wait_for(server.world.closed.wait(), 5)
        await until(lambda: not len(server.streams.connections))

    async def test_event_in_flight_is_not_sent_after_the_session_ends(
        self, server: Running, accept: str
    ) -> None:
        async with server.stream("subscription { events { number gated } }", accept) as response:
            await server.world.put(1)
            await until(lambda: server.world.waiting)
            server.streams.connections.end_sessions(["session of ada"])
            server.world.gate.set()
            text = (await response.aread()).decode()
        assert "number" not in text
        assert "The session has ended." in text
        await until(lambda: not server.streams.connections.sessions())

    async def test_shutdown_ends_the_stream_with_a_reason(
        self, server: Running, accept: str
    ) -> None:
        async with server.stream(EVENTS, accept) as response:
            await until(lambda: server.world.running)
            server.streams.close()
            text = (await response.aread()).decode()
        assert "The server restarts. Subscribe again from the last cursor." in text
        assert text.endswith(
            "--graphql--\r\n" if accept == MULTIPART else "event: complete\ndata:\n\n"
        )
        await until(lambda: not server.world.running)
        late = await server.post(EVENTS, accept)
        assert late.status_code == 503
        assert late.json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"


class TestLimits:
    async def test_connections_per_caller_are_limited(self) -> None:
        async with serving(Limits(connections_per_caller=1)) as server:
            async with server.stream(EVENTS, SSE):
                for accept in (SSE, MULTIPART):
                    refused = await server.post(EVENTS, accept)
                    assert refused.status_code == 429
                    [error] = refused.json()["errors"]
                    assert error["extensions"] == {"code": "TOO_MANY_REQUESTS"}
                another = await server.post(COUNT, SSE, user="bob")
                assert another.status_code == 200
            await until(lambda: not len(server.streams.connections))
            assert (await server.post(COUNT, SSE)).status_code == 200

    @pytest.mark.parametrize("accept", [MULTIPART, SSE])
    async def test_client_that_does_not_read_loses_the_stream(self, accept: str) -> None:
        body = json.dumps({"query": "subscription { flood { big } }"}).encode()
        headers = bearer("ada") | {"accept": accept, "host": "x"}
        headers |= {"content-type": "application/json", "content-length": str(len(body))}
        request = f"POST {PATH} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in headers.items()
        )
        async with serving(Limits(send_seconds=0.5)) as server:
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(request.encode() + b"\r\n" + body)
                await asyncio.wait_for(server.world.closed.wait(), 15)
                # What the server and the kernel hold, and no more.
                assert server.world.queue.qsize() < 400
                await until(lambda: not len(server.streams.connections))

    async def test_client_that_reads_again_gets_the_reason(self) -> None:
        async with (
            serving(Limits(send_seconds=1)) as server,
            server.stream("subscription { flood { big } }", SSE) as response,
        ):
            await asyncio.wait_for(server.world.closed.wait(), 15)
            text = (await response.aread()).decode()
            assert text.endswith(
                'event: next\ndata: {"errors":[{"message":"The subscriber reads too slowly. '
                'Subscribe again from the last cursor.",'
                '"extensions":{"code":"SERVICE_UNAVAILABLE"}}]}\n\nevent: complete\ndata:\n\n'
            )
