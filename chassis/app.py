"""Assembles the Starlette application of a subgraph: GraphQL for the edge, probes, metrics."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route
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
"""Bytes of a request to `/graphql`."""
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
    """Return the application of one subgraph.

    `sessions` refuses writes of a request whose session has ended. `lifespan` opens and closes the
    resources of the service. `checks` are the checks of `/readyz`. `streams` serves subscriptions.
    `routes` are further routes; each authenticates its callers by itself.
    """
    limited = BodyLimit(ActingSession(graphql, sessions), MAX_BODY_SIZE)

    @asynccontextmanager
    async def run(_: Starlette) -> AsyncIterator[None]:
        async with (
            metrics.watching_event_loop(),
            lifespan(),
            streams.running(shutdown) if streams else nullcontext(),
        ):
            yield

    served: list[BaseRoute] = [
        Route("/graphql", traced(TrustedCallers(limited, router_secret))),
    ]
    sockets: dict[str, ASGIApp] = {}
    if streams:
        # A separate path, for requests that the edge sends past the router: subscriptions only.
        trusted = TrustedCallers(streams, router_secret)  # has its own limit of the body
        served.append(Route(STREAM_PATH, trusted))
        sockets[STREAM_PATH] = trusted
    app = _Subgraph(
        sockets,
        routes=[*served, *health_routes(checks, shutdown), metrics.route(), *routes],
        middleware=[Middleware(RequestLog)],
        lifespan=run,
    )
    # A redirect would repeat the query string, which can hold a code, to an address in plain HTTP.
    app.router.redirect_slashes = False
    return app


class _Subgraph(Starlette):
    """Starlette, beside applications of WebSockets that it would only pass on.

    Each of its layers would take memory for as long as a socket is open.
    """

    def __init__(self, sockets: Mapping[str, ASGIApp], **options: Any) -> None:
        """`sockets` are the applications by their paths."""
        super().__init__(**options)
        self._sockets = sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and scope["path"] in self._sockets:
            await self._sockets[scope["path"]](scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


@asynccontextmanager
async def open_database(database: Database, migrations: Path) -> AsyncIterator[None]:
    """Keep `database` connected inside the block.

    Raises DatabaseUnavailableError, or SchemaNotCurrentError if the schema is not the code's.
    """
    await database.connect()
    try:
        await require_current(database, migrations)
        yield
    finally:
        await database.disconnect()


class BodyLimit:
    """ASGI middleware: answers 413 with a GraphQL error to a body of more than `limit` bytes.

    Starlette's own limit replaces the application's response with plain text.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"")
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                # The GraphQL view turns this into a response; for other routes Starlette does.
                raise HTTPException(413, self._message)
            return message

        if declared.isdigit() and int(declared) > self._limit:
            response = error_response(413, "BAD_REQUEST", self._message)
            await response(scope, receive, send)
        else:
            await self._app(scope, counted, send)

    @property
    def _message(self) -> str:
        return f"The request body is larger than {self._limit} bytes. Send a smaller request."


class Traced:
    """ASGI middleware: adds a span for each request to the caller's trace."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parent = Headers(scope=scope).get("traceparent")
        with span(f"{scope['method']} {_first_segment(scope)}", "server", parent=parent) as request:
            request.set("http.request.method", scope["method"])

            async def recorded(message: Message) -> None:
                if message["type"] == "http.response.start":
                    request.set("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        request.fail(str(message["status"]))
                await send(message)

            await self._app(scope, receive, recorded)


def _first_segment(scope: Scope) -> str:
    """Return the first segment of the path: the others may contain a token."""
    path: str = scope["path"]
    return "/" + path.split("/")[1]


def traced(app: ASGIApp) -> ASGIApp:
    """Return the application with a span for each request; unchanged while tracing is off."""
    return Traced(app) if is_on() else app
