"""The client of the router, against a real HTTP server."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from chassis.graphql import router as client
from chassis.graphql.router import Answer, Router, RouterFailedError
from chassis.tracing import configure_tracing, end_tracing, span, traceparent
from stack.ports import free_ports
from tests.unit.chassis.federated import CALLER

SECRET = "s" * 32
DATA = {"data": {"item": None}}


@dataclass
class Server:
    """Answers with `answer`, and records what it was asked."""

    port: int
    answer: Callable[[], Response] = lambda: JSONResponse(DATA)
    delay: float = 0
    asked: list[Request] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    concurrent: int = 0
    most_concurrent: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    async def graphql(self, request: Request) -> Response:
        self.asked.append(request)
        self.bodies.append(json.loads(await request.body()))
        self.concurrent += 1
        self.most_concurrent = max(self.concurrent, self.most_concurrent)
        try:
            await asyncio.sleep(self.delay)
            return self.answer()
        finally:
            self.concurrent -= 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = Starlette(routes=[Route("/graphql", self.graphql, methods=["POST"])])
        server = uvicorn.Server(
            uvicorn.Config(app, "127.0.0.1", self.port, log_level="error", lifespan="off")
        )
        task = asyncio.create_task(server._serve())
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            yield
        finally:
            server.should_exit = True
            await task


@pytest.fixture
def server() -> Server:
    return Server(free_ports(1)[0])


@pytest.fixture
async def router(server: Server) -> AsyncIterator[Router]:
    router = Router(server.url, SECRET)
    async with router.running():
        yield router


async def ask(router: Router, **options: Any) -> Answer:
    headers = options.pop("headers", [])
    return await router.query("query Q { item }", "Q", {"id": "1"}, CALLER, headers)


class TestRequest:
    async def test_request_carries_the_identity_as_the_edge_does(
        self, server: Server, router: Router
    ) -> None:
        sent = [
            (b"x-request-id", b"r1"),
            (b"x-client-address", b"192.0.2.1"),
            (b"user-agent", b"Firefox \xe9"),
            (b"traceparent", b"00-1-2-01"),
            (b"x-auth-user-id", b"another"),
            (b"x-router-secret", b"another"),
            (b"authorization", b"Bearer token"),
            (b"cookie", b"a=b"),
        ]
        async with server.running():
            answer = await ask(router, headers=sent)
        assert answer == Answer(is_executed=True, data={"item": None}, errors=[])
        [request] = server.asked
        headers = request.headers
        assert {name: headers[name] for name in CALLER.headers()} == CALLER.headers()
        assert headers.getlist("x-router-secret") == [SECRET]
        assert (headers["x-request-id"], headers["x-client-address"]) == ("r1", "192.0.2.1")
        assert headers["user-agent"] == "Firefox \xe9"
        assert headers["traceparent"] == "00-1-2-01"
        assert not {"authorization", "cookie"} & set(headers)
        assert server.bodies == [
            {"query": "query Q { item }", "operationName": "Q", "variables": {"id": "1"}}
        ]

    async def test_query_is_part_of_the_current_trace(self, server: Server, router: Router) -> None:
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        configure_tracing("tests", "", SimpleSpanProcessor(InMemorySpanExporter()))
        try:
            async with server.running():
                with span("complete item", parent=parent):
                    current = traceparent()
                    await ask(router, headers=[(b"traceparent", parent.encode())])
        finally:
            end_tracing()
        [request] = server.asked
        assert request.headers.getlist("traceparent") == [current]
        assert current != parent


class TestAnswer:
    @pytest.mark.parametrize(
        ("status", "body", "expected"),
        [
            (200, DATA, Answer(True, {"item": None}, [])),
            (
                200,
                {"data": None, "errors": [{"message": "m"}]},
                Answer(True, None, [{"message": "m"}]),
            ),
            (400, {"errors": [{"message": "m"}]}, Answer(False, None, [{"message": "m"}])),
        ],
    )
    async def test_graphql_response_is_returned(
        self, server: Server, router: Router, status: int, body: object, expected: Answer
    ) -> None:
        server.answer = lambda: JSONResponse(body, status)
        async with server.running():
            assert await ask(router) == expected

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (504, {"errors": [{"message": "the request timed out"}]}),
            (500, "oops"),
            (200, "oops"),
            (200, []),
            (200, {}),
            (404, ""),
        ],
    )
    async def test_other_response_is_a_failure(
        self, server: Server, router: Router, status: int, body: object
    ) -> None:
        server.answer = lambda: JSONResponse(body, status)
        async with server.running():
            with pytest.raises(RouterFailedError, match=f"status {status}"):
                await ask(router)

    async def test_slow_answer_is_a_failure(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client, "_TIMEOUT", 0.2)
        server.delay = 5
        router = Router(server.url, SECRET)
        async with server.running(), router.running():
            with pytest.raises(RouterFailedError, match="time-out"):
                await ask(router)
            server.delay = 0


class TestAbsentRouter:
    async def test_query_waits_until_it_is_there(self, server: Server, router: Router) -> None:
        with capture_logs() as logs:
            asking = asyncio.create_task(ask(router))
            await asyncio.sleep(0.3)
            assert not asking.done()
            async with server.running():
                assert (await asyncio.wait_for(asking, 20)).data == {"item": None}
        assert [line["event"] for line in logs] == ["outage started", "outage ended"]
        assert SECRET not in repr(logs)

    @pytest.mark.parametrize("status", [429, 502, 503])
    async def test_query_waits_while_it_is_busy(
        self, server: Server, router: Router, status: int
    ) -> None:
        answers = [Response(status_code=status), JSONResponse(DATA)]
        server.answer = lambda: answers.pop(0)
        async with server.running():
            assert (await ask(router)).is_executed
        assert len(server.asked) == 2

    async def test_connection_that_is_lost_is_replaced(
        self, server: Server, router: Router
    ) -> None:
        async with server.running():
            await ask(router)
        async with server.running():
            assert (await asyncio.wait_for(ask(router), 20)).is_executed

    async def test_cancelled_query_frees_its_slot(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client, "_CONCURRENT", 1)
        router = Router(server.url, SECRET)
        async with router.running():
            waiting = asyncio.create_task(ask(router))
            await asyncio.sleep(0.1)
            waiting.cancel()
            await asyncio.wait([waiting])
            async with server.running():
                assert (await asyncio.wait_for(ask(router), 20)).is_executed


class TestConcurrency:
    async def test_queries_at_a_time_are_limited(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client, "_CONCURRENT", 3)
        server.delay = 0.02
        router = Router(server.url, SECRET)
        async with server.running(), router.running():
            await asyncio.gather(*(ask(router) for _ in range(20)))
        assert len(server.asked) == 20
        assert server.most_concurrent <= 3
