"""Serves the subscriptions of a subgraph with graphql-streams (docs/adr/0012).

This module gives the package this product's callers, revocations, shutdown and log.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from time import perf_counter
from typing import TYPE_CHECKING

import structlog
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

import graphql_streams
from chassis.background import running
from chassis.errors import ClientError, Refusal, TokenRefused
from chassis.graphql.live import subscriptions
from chassis.graphql.schema import SubgraphSchema
from chassis.graphql.shared_context import MakeContext
from chassis.logging import bound
from chassis.principal import Principal, principal_from, require
from chassis.shutdown import Shutdown
from graphql_streams import (
    Caller,
    Handshake,
    Limits,
    Refused,
    Revocations,
    SessionEnded,
    StreamEnded,
    TokenExpired,
)

if TYPE_CHECKING:  # only services with subscriptions have its packages
    from chassis.graphql.federation import Federation

_log = structlog.get_logger("chassis.streaming")

_ENDS: dict[Refusal, type[StreamEnded]] = {
    Refusal.EXPIRED: TokenExpired,
    Refusal.SESSION_ENDED: SessionEnded,
}
"""The refusals that end connections too: a client sees one close code for each, at any time."""


class Streams:
    """ASGI application: the subscriptions of a schema, for signed-in callers.

    A connection ends with its token and its session, whatever the field.
    """

    TRANSPORTS = graphql_streams.TRANSPORTS
    """The keys of `open`."""

    def __init__(
        self,
        schema: SubgraphSchema,
        make_context: MakeContext,
        verify: Callable[[str], Awaitable[Principal]],
        limits: Limits,
        revocations: Revocations,
        federation: "Federation | None" = None,
    ) -> None:
        """`make_context` is as in `subscriptions`.

        `verify` returns the principal of the token in a socket's first message; it raises
        ClientError. `federation` serves operations that leave the subgraph; without it they are
        invalid.
        """

        self._verify = verify
        local = subscriptions(schema, make_context)
        self._federation = federation
        self._streams = graphql_streams.Streams(
            federation.subscribe(local) if federation else local,
            self._authenticate,
            limits,
            revocations,
        )
        self.connections = self._streams.connections
        self.open = self._streams.open
        """The number of open connections by transport."""

    @asynccontextmanager
    async def running(self, shutdown: Shutdown) -> AsyncIterator[None]:
        """End all connections when `shutdown` begins."""
        router = self._federation.router.running() if self._federation else nullcontext()
        async with router, running(self._close_on(shutdown)):
            yield

    async def _close_on(self, shutdown: Shutdown) -> None:
        await shutdown.begun()
        self._streams.close()

    async def _authenticate(self, handshake: Handshake) -> Caller:
        """Return the caller: of a token in `connection_init`, or else as the edge verified it."""
        token = graphql_streams.bearer_token(handshake.payload)
        try:
            principal = require(
                principal_from(handshake.headers) if token is None else await self._verify(token)
            )
        except ClientError as error:
            raise _refused(error) from error
        return Caller(principal.user_id, str(principal.session_id), principal.expires_at, principal)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._serve_socket(scope, receive, send)
        else:
            await self._streams(scope, receive, send)

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a socket and log its end; RequestLog does this for HTTP streams."""
        code: int | None = None

        async def record_code(message: Message) -> None:
            nonlocal code
            if message["type"] == "websocket.close":
                code = message["code"]
            await send(message)

        request_id = HTTPConnection(scope).headers.get("x-request-id", "")
        with bound(request_id=request_id):
            started = perf_counter()
            try:
                await self._streams(scope, receive, record_code)
            finally:
                _log.info(
                    "socket closed",
                    path=scope["path"],
                    code=code,
                    milliseconds=round((perf_counter() - started) * 1000, 2),
                )


def _refused(error: ClientError) -> Refused:
    if isinstance(error, TokenRefused) and error.refusal in _ENDS:
        return _ENDS[error.refusal]()
    return Refused(str(error), code=error.code, reason=error.reason)
