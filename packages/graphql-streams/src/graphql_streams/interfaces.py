"""The interfaces that an application implements: operations, authentication and revocations."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from .errors import BadRequest, GraphQLError, Unauthenticated
from .request import GraphQLRequest

Scope = Any
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Handshake:
    """The request that opens a connection: a POST, or an upgrade with its `connection_init`."""

    scope: Scope
    """The ASGI scope of the POST, or of the upgrade to a WebSocket."""
    payload: Mapping[str, Any] | None = None
    """The payload of `connection_init`; None without one, and over HTTP."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers by their names in lower case; of several with one name the first counts."""
        return {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in reversed(self.scope["headers"])
        }


@dataclass(frozen=True, slots=True)
class Caller:
    """The principal of a connection, its session, and the end of its lifetime."""

    id: Hashable
    """Counted by `Limits.connections_per_caller`: anonymous clients need different ids too."""
    session_id: str | None = None
    """The id that `Connections.end_sessions` takes; None for a caller without a session."""
    expires_at: datetime | None = None
    """When the connection ends, as a time with a time zone; None for no limit."""
    value: Any = None
    """Data of the application, for its resolvers; this package does not read it."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One subscription of a caller. A socket may have several."""

    request: GraphQLRequest
    caller: Caller
    handshake: Handshake
    started: Callable[[], None] = field(default=lambda: None)
    """Sends the headers of an HTTP stream before its first event; no effect on a WebSocket. Call it
    when the operation is valid and no event can be missed any more."""
    offer: Callable[[bytes], bool] = field(default=lambda _: False)
    """Sends a response at once, without waking the task of the operation. Call it only while
    `subscribe` waits for its next event. Returns False if it cannot be sent at once, because an
    earlier one waits for the client, for example: then yield it."""


class Result(Protocol):
    """The result of one event, such as graphql-core's `ExecutionResult`.

    Without data, and with errors that have no path, it ends the operation.
    """

    @property
    def data(self) -> Mapping[str, Any] | None:
        """The data of the response, ready for JSON."""

    @property
    def errors(self) -> Sequence[GraphQLError] | None:
        """The errors of the response; None or empty without one."""

    @property
    def extensions(self) -> Mapping[str, Any] | None:
        """The extensions of the response, ready for JSON."""


class Subscribe(Protocol):
    """Executes subscriptions."""

    def __call__(self, operation: Operation, /) -> AsyncGenerator[Result | bytes, None]:
        """Yield the results of the operation; bytes are what `response` returns for a result.

        May raise StreamEnded, which ends the connection; OperationFailed or another Refused, which
        ends this operation and is shown to the client; anything else is logged and masked.
        """


class Authenticate(Protocol):
    """Identifies callers."""

    async def __call__(self, handshake: Handshake, /) -> Caller:
        """Return the caller of a connection.

        Raises Refused, whose message, code and reason the client sees. Any other exception is
        logged and masked.
        """


class Revocations(Protocol):
    """The ended sessions, as far as this process knows them.

    An application that learns of an ended session must also call `Connections.end_sessions`.
    """

    @property
    def is_current(self) -> bool:
        """Whether every ended session is known. While it is False, no event is sent."""

    async def current(self) -> None:
        """Return when `is_current` is True."""

    def has_ended(self, session_id: str, /) -> bool:
        """Return whether this process knows that the session has ended."""


_SCHEME = "bearer "


def bearer_token(fields: Mapping[str, Any] | None) -> str | None:
    """Return the token in headers or in the payload of `connection_init`; None without one.

    It is `{"authorization": "Bearer …"}`, or the same under `headers`; the case of the names does
    not matter. Raises BadRequest or Unauthenticated for other credentials (RFC 6750).
    """
    found = {name.lower(): value for name, value in (fields or {}).items()}
    if not found.get("authorization") and isinstance(found.get("headers"), Mapping):
        found = {name.lower(): value for name, value in found["headers"].items()}
    credentials = found.get("authorization")
    if credentials is None:
        return None
    if not isinstance(credentials, str):
        raise BadRequest("Invalid message: `authorization` is not a string")
    credentials = credentials.strip(" \t")
    if not credentials:  # clients without a token often send an empty one
        return None
    if credentials[: len(_SCHEME)].lower() != _SCHEME:
        raise Unauthenticated("Authorization must be: Bearer, a space and the access token.")
    return credentials[len(_SCHEME) :].strip(" \t")
