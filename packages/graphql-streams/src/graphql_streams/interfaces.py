"""What an application implements: operations, authentication and revocations."""

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


@dataclass(frozen=True)
class Handshake:
    """What a client sent to open a connection."""

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


@dataclass(frozen=True)
class Caller:
    """Who opened a connection, and for how long it may live."""

    id: Hashable
    """Connections are counted by this."""
    session_id: str | None = None
    """`Connections.end_sessions` ends the connections of a session."""
    expires_at: datetime | None = None
    """When the connection ends; the time has a time zone."""
    value: Any = None
    """Anything of yours."""


@dataclass(frozen=True)
class Operation:
    """One subscription of a caller."""

    request: GraphQLRequest
    caller: Caller
    handshake: Handshake
    started: Callable[[], None] = field(default=lambda: None)
    """Opens the HTTP stream, so that the client knows before the first event. Call it when the
    operation is valid and no event can be missed any more."""


class Result(Protocol):
    """The result of one event, such as graphql-core's `ExecutionResult`.

    Without data, and with errors that have no path, it ends the operation.
    """

    @property
    def data(self) -> Mapping[str, Any] | None: ...

    @property
    def errors(self) -> Sequence[GraphQLError] | None: ...

    @property
    def extensions(self) -> Mapping[str, Any] | None: ...


class Subscribe(Protocol):
    """Executes subscriptions."""

    def __call__(self, operation: Operation, /) -> AsyncGenerator[Result, None]:
        """Yield the results of the operation.

        May raise StreamEnded, which ends the connection; OperationFailed or another Refused, which
        ends this operation and is shown to the client; anything else is logged and masked.
        """


class Authenticate(Protocol):
    """Identifies callers."""

    async def __call__(self, handshake: Handshake, /) -> Caller:
        """Return the caller of a connection. Raises Refused."""


class Revocations(Protocol):
    """The ended sessions, as far as this process knows them.

    Whoever learns of an ended session calls `Connections.end_sessions`, too.
    """

    @property
    def is_current(self) -> bool:
        """Whether every ended session is known. While it is False, no event is sent."""

    async def current(self) -> None:
        """Return when `is_current` is True."""

    def has_ended(self, session_id: str, /) -> bool: ...


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
