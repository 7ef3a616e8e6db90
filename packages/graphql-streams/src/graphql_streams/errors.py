"""The errors that clients see, with their HTTP status, close code and GraphQL error."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

_STATUS = {
    "PERSISTED_QUERY_NOT_FOUND": 200,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "TOO_MANY_REQUESTS": 429,
    "INTERNAL_SERVER_ERROR": 500,
    "SERVICE_UNAVAILABLE": 503,
}
_CLOSE_CODES = {
    "BAD_REQUEST": 4400,
    "UNAUTHENTICATED": 4401,
    "FORBIDDEN": 4403,
    "TOO_MANY_REQUESTS": 4429,
    "SERVICE_UNAVAILABLE": 1013,
}


def status_for(code: str) -> int:
    """Return the HTTP status of a response that holds an error of this code and no data."""
    return _STATUS.get(code, 400)


class GraphQLError(Protocol):
    """An error in a result, such as graphql-core's."""

    @property
    def formatted(self) -> Mapping[str, Any]:
        """The error in the form of a GraphQL response."""

    @property
    def path(self) -> Any:
        """The path of the field; None for an error of the whole operation."""

    @property
    def original_error(self) -> Exception | None:
        """The exception of a resolver; None for an error of another origin."""


class Refused(Exception):
    """An error whose message, code and reason the client sees.

    `authenticate` raises it to refuse a connection, `subscribe` to refuse or fail one operation.
    """

    code: str = "BAD_REQUEST"
    reason: str | None = None
    """Distinguishes causes of the same code that a client handles in different ways."""
    # Not `message`: graphql-core shows an attribute of that name instead of what was raised.
    default: ClassVar[str] = "The request is not valid."

    def __init__(
        self, message: str | None = None, *, code: str | None = None, reason: str | None = None
    ) -> None:
        super().__init__(message or self.default)
        self.code = code or self.code
        self.reason = reason or self.reason

    @property
    def extensions(self) -> dict[str, object]:
        """Return the `extensions` beside the message; graphql-core reads them too."""
        known = {"code": self.code, "reason": self.reason}
        return {name: value for name, value in known.items() if value}

    @property
    def formatted(self) -> list[dict[str, Any]]:
        """Return the `errors` of a GraphQL response."""
        return [{"message": str(self), "extensions": self.extensions}]

    @property
    def status(self) -> int:
        """The HTTP status, if no stream has started."""
        return status_for(self.code)

    @property
    def close_code(self) -> int:
        """The close code of a WebSocket."""
        return _CLOSE_CODES.get(self.code, 4500)


class BadRequest(Refused):
    """The request is not a GraphQL request."""


class PersistedQueryNotFound(Refused):
    """The client must send the document with its hash. Clients recognise the message."""

    code = "PERSISTED_QUERY_NOT_FOUND"
    default = "PersistedQueryNotFound"


class Unauthenticated(Refused):
    """The caller is unknown."""

    code = "UNAUTHENTICATED"
    default = "Sign in first."


class InternalError(Refused):
    """Replaces an unexpected exception, which is in the log."""

    code = "INTERNAL_SERVER_ERROR"
    default = "Something went wrong on our side."


class TooManyStreams(Refused):
    """The caller has too many connections, or the socket too many operations."""

    code = "TOO_MANY_REQUESTS"
    default = "You have too many open streams. Close one, or share a socket."


class Overloaded(Refused):
    """The process has reached `Limits.connections`."""

    code = "SERVICE_UNAVAILABLE"
    default = "The server has too many connections. Try again shortly."


class OperationFailed(Refused):
    """The operation is invalid, or its source of events failed."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        self.errors = errors
        super().__init__(self.formatted[0]["message"] if errors else None)

    @property
    def formatted(self) -> list[dict[str, Any]]:
        return [dict(error.formatted) for error in self.errors]


class StreamEnded(Refused):
    """Ends the connection, with all its operations.

    A resolver of a subscription may raise it. The client gets the message, and subscribes
    again on a new connection.
    """

    code = "SERVICE_UNAVAILABLE"
    default = "The stream has ended."


class TokenExpired(StreamEnded):
    """The client must refresh its token and subscribe again."""

    code = "UNAUTHENTICATED"
    reason = "EXPIRED"
    default = "The access token has expired."

    @property
    def close_code(self) -> int:
        # graphql-ws gives up after 4401. After 4403 it connects again, and asks its
        # `connectionParams` for a token.
        return 4403


class SessionEnded(StreamEnded):
    """The client must sign in again."""

    code = "UNAUTHENTICATED"
    reason = "SESSION_ENDED"
    default = "The session has ended."


class TooSlow(StreamEnded):
    """The client did not read a message in time."""

    default = "The subscriber reads too slowly. Subscribe again from the last cursor."


class Interrupted(StreamEnded):
    """A dependency of the stream is unavailable; the client may resume from its last cursor."""

    default = "The stream was interrupted. Subscribe again from the last cursor."


class Restarting(StreamEnded):
    """The process stops; the client must connect and subscribe again."""

    default = "The server restarts. Subscribe again from the last cursor."

    @property
    def close_code(self) -> int:
        return 1012
