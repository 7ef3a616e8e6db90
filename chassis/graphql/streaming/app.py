"""The ASGI application that serves subscriptions over WebSockets and streamed responses."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from time import perf_counter

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chassis.background import running
from chassis.errors import BadRequest, ClientError, error_response
from chassis.graphql.context import RequestContext
from chassis.graphql.request import GraphQLRequest
from chassis.graphql.schema import SubgraphSchema
from chassis.logging import bound
from chassis.principal import Principal, principal_from, require
from chassis.shutdown import Shutdown

from .connections import Connections, StreamLimits
from .http import HttpStream, choose_protocol, refusal
from .socket import Socket

_log = structlog.get_logger("chassis.streaming")

MakeContext = Callable[[HTTPConnection, Principal], RequestContext]


class Streams:
    """Serves the subscriptions of a schema to signed-in callers.

    `make_context` is called for each operation, so data loaders do not cache for the lifetime of a
    socket. `authenticate` returns the principal of a token in a socket's first message; it raises
    Unauthenticated, TokenExpired, StreamSessionEnded or Overloaded.
    """

    TRANSPORTS = ("websocket", "multipart", "sse")

    def __init__(
        self,
        schema: SubgraphSchema,
        make_context: MakeContext,
        authenticate: Callable[[str], Awaitable[Principal]],
        limits: StreamLimits,
    ) -> None:
        self._schema = schema
        self._make_context = make_context
        self._authenticate = authenticate
        self._limits = limits
        self.connections = Connections(limits)
        self.open: Counter[str] = Counter()
        """The number of open connections by transport."""

    def running(self, shutdown: Shutdown) -> AbstractAsyncContextManager[None]:
        """End all connections when `shutdown` begins."""
        return running(self.connections.close_on(shutdown))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._serve_socket(HTTPConnection(scope), receive, send)
        else:
            await self._serve_http(Request(scope, receive), send)

    async def _serve_socket(self, connection: HTTPConnection, receive: Receive, send: Send) -> None:
        headers = connection.headers
        with bound(request_id=headers.get("x-request-id", "")):
            started = perf_counter()
            socket = Socket(
                self._schema,
                lambda principal: self._make_context(connection, principal),
                self._authenticate,
                self._limits,
                receive,
                send,
            )
            try:
                with self._counted("websocket"):
                    await socket.run(
                        connection.scope["subprotocols"], principal_from(headers), self.connections
                    )
            finally:
                _log.info(
                    "socket closed",
                    path=connection.scope["path"],
                    code=socket.closed_with.code if socket.closed_with else None,
                    milliseconds=round((perf_counter() - started) * 1000, 2),
                )

    @contextmanager
    def _counted(self, transport: str) -> Iterator[None]:
        self.open[transport] += 1
        try:
            yield
        finally:
            self.open[transport] -= 1

    async def _serve_http(self, request: Request, send: Send) -> None:
        response = await self._stream(request, send)
        if response is not None:
            await response(request.scope, request.receive, send)

    async def _stream(self, request: Request, send: Send) -> Response | None:
        """Stream the subscription, or return the response to a request that opens no stream."""
        try:
            protocol = choose_protocol(request)
            body = await request.body()
        except HTTPException as error:
            response = error_response(error.status_code, BadRequest.code, error.detail)
            response.headers.update(error.headers or {})
            return response
        try:
            asked = GraphQLRequest.decode(body)
            # The edge has refused requests with an invalid token.
            principal = require(principal_from(request.headers))
            with self.connections.open() as connection:
                connection.assign(principal)
                context = self._make_context(request, principal)
                stream = HttpStream(protocol, self._limits, request.receive, send)
                with self._counted(protocol.transport):
                    await stream.run(self._schema, asked, context, connection)
        except ClientError as error:
            return refusal(protocol, error)
        return None
