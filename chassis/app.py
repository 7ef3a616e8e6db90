"""Assembles a subgraph's Starlette application: GraphQL for the edge alone, probes, metrics."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.database import Database
from chassis.errors import error_response
from chassis.graphql.streaming import Streams
from chassis.health import Check, health_routes
from chassis.logging import RequestLog
from chassis.metrics import Metrics
from chassis.migrations import require_current
from chassis.principal import TrustedCallers
from chassis.sessions.guard import ActingSession, SessionGuard
from chassis.shutdown import Shutdown
from chassis.tracing import is_on, span

MAX_BODY_SIZE = 256 * 1024
"""Bytes of one request to `/graphql`."""
STREAM_PATH = "/graphql/stream"


def subgraph_app(
    graphql: ASGIApp,
    *,
    router_secret: str,
    sessions: SessionGuard,
    lifespan: Callable[[], AbstractAsyncContextManager[None]],
    checks: Mapping[str, Check],
    shutdown: Shutdown,
    metrics: Metrics,
    streams: Streams | None = None,
    routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """The application of one subgraph.

    `lifespan` opens what the service needs and closes it again, `checks` are what `/readyz` asks,
    `sessions` refuses what a request would do after its session has ended, `streams` serves
    subscriptions, `routes` are what the service serves beside GraphQL, each with a guard of its
    own.
    """

    def guarded(app: ASGIApp) -> ASGIApp:
        return TrustedCallers(BodyLimit(app, MAX_BODY_SIZE), router_secret)

    @asynccontextmanager
    async def run(_: Starlette) -> AsyncIterator[None]:
        async with (
            metrics.watching_the_loop(),
            lifespan(),
            streams.running(shutdown) if streams else nullcontext(),
        ):
            yield

    served: list[BaseRoute] = [
        Route("/graphql", traced(guarded(ActingSession(graphql, sessions)))),
    ]
    if streams:
        # A path of its own: what the edge sends here past the router is a subscription or refused.
        served.append(Route(STREAM_PATH, guarded(streams)))
        served.append(WebSocketRoute(STREAM_PATH, guarded(streams)))
    return Starlette(
        routes=[*served, *health_routes(checks, shutdown), metrics.route(), *routes],
        middleware=[Middleware(RequestLog)],
        lifespan=run,
    )


@asynccontextmanager
async def open_database(database: Database, migrations: Path) -> AsyncIterator[None]:
    """Keeps `database` connected inside the block.

    Raises DatabaseUnavailableError, or SchemaNotCurrentError for another schema than the code's.
    """
    await database.connect()
    try:
        await require_current(database, migrations)
        yield
    finally:
        await database.disconnect()


class BodyLimit:
    """ASGI middleware: 413 with a GraphQL error for a body of more than `limit` bytes.

    Starlette's own limit writes its plain text over the answer of the application.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"")
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                # Answered by the GraphQL view, or by Starlette for other routes.
                raise HTTPException(413, self._message)
            return message

        if announced.isdigit() and int(announced) > self._limit:
            response = error_response(413, "BAD_REQUEST", self._message)
            await response(scope, receive, send)
        else:
            await self._app(scope, counted, send)

    @property
    def _message(self) -> str:
        return f"The body is larger than {self._limit} bytes."


class Traced:
    """ASGI middleware: a span for each request, part of the caller's trace."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parent = Headers(scope=scope).get("traceparent")
        with span(f"{scope['method']} {_place(scope)}", "server", parent=parent) as request:
            request.set("http.request.method", scope["method"])

            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    request.set("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        request.fail(str(message["status"]))
                await send(message)

            await self._app(scope, receive, told)


def _place(scope: Scope) -> str:
    """The first part of the path: the rest may hold a token."""
    path: str = scope["path"]
    return "/" + path.split("/")[1]


def traced(app: ASGIApp) -> ASGIApp:
    """The application with a span for each request, or just as it is while tracing is off."""
    return Traced(app) if is_on() else app
