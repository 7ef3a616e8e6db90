"""The ASGI application that serves subscriptions over WebSockets and streamed responses."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from .connections import Connections, Limits
from .errors import InternalError, Refused
from .http import Disconnected, HttpRefusal, HttpStream, choose_format, read_body, refusal
from .interfaces import (
    Authenticate,
    Caller,
    Handshake,
    Operation,
    Receive,
    Revocations,
    Scope,
    Send,
    Subscribe,
)
from .request import GraphQLRequest
from .websocket import Socket

_log = logging.getLogger("graphql_streams")

TRANSPORTS = ("websocket", "multipart", "sse")
"""The keys of `Streams.open`."""


class Streams:
    """ASGI application: serves subscriptions, on any path, to callers that `authenticate` accepts.

    `subscribe` must refuse queries and mutations, as the adapters do.
    """

    def __init__(
        self,
        subscribe: Subscribe,
        authenticate: Authenticate,
        limits: Limits | None = None,
        revocations: Revocations | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.connections = Connections(self.limits, revocations)
        self.open: Counter[str] = Counter()
        """The number of open connections by transport."""
        self._subscribe = subscribe
        self._authenticate = authenticate

    def close(self) -> None:
        """End all connections and refuse new ones. Call it before the server waits for them."""
        self.connections.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "websocket":
                await self._serve_socket(scope, receive, send)
            case "http":
                await self._serve_http(scope, receive, send)
            case "lifespan":
                await self._serve_lifespan(receive, send)

    @contextmanager
    def _counted(self, transport: str) -> Iterator[None]:
        self.open[transport] += 1
        try:
            yield
        finally:
            self.open[transport] -= 1

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = Socket(
            self._subscribe, self._authenticate, self.connections, self.limits, receive, send
        )
        with self._counted("websocket"):
            await socket.run(scope)

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            format_ = choose_format(scope)
            body = await read_body(scope, receive, self.limits.message_bytes)
        except HttpRefusal as error:
            await error.response.send(send)
            return
        except Disconnected:
            return
        try:
            request = GraphQLRequest.decode(body)
            with self.connections.open() as connection:
                handshake = Handshake(scope)
                caller = await self._identify(handshake)
                connection.assign(caller)
                stream = HttpStream(format_, self.limits, connection, receive, send)
                with self._counted(format_.transport):
                    operation = Operation(request, caller, handshake, stream.started, stream.offer)
                    await stream.run(self._subscribe, operation)
        except Refused as error:
            await refusal(format_, error).send(send)

    async def _identify(self, handshake: Handshake) -> Caller:
        try:
            return await self._authenticate(handshake)
        except Refused:
            raise
        except Exception as error:
            _log.exception("authentication failed")
            raise InternalError from error

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.close()
        await send({"type": "lifespan.shutdown.complete"})
