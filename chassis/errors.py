"""The errors that a client sees in `errors[]`; expected outcomes are data and are not here."""

from enum import StrEnum
from typing import ClassVar

import orjson
from starlette.responses import Response


class ClientError(Exception):
    """An error whose message and code may be shown to the client."""

    code: ClassVar[str]
    reason: str | None = None
    """Distinguishes causes of the same code that a client handles in different ways."""
    # Not `message`: graphql-core shows an attribute of that name instead of what was raised.
    default: ClassVar[str]

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default)

    @property
    def extensions(self) -> dict[str, object]:
        """Return the `extensions` that graphql-core puts beside the message."""
        known = {"code": self.code, "reason": self.reason}
        return {name: value for name, value in known.items() if value}


class Unauthenticated(ClientError):
    """The request needs a signed-in user."""

    code = "UNAUTHENTICATED"
    default = "Sign in first."


class Refusal(StrEnum):
    """Why an access token is refused.

    The value is the message to the client, the name is the `reason` beside it. `sessions.proto` has
    the same names. A client refreshes its session after EXPIRED, and only then.
    """

    INVALID = "The access token is not valid."
    EXPIRED = "The access token has expired."
    SESSION_ENDED = "The session has ended."


class TokenRefused(Unauthenticated):
    """The access token is not one of ours, has expired, or its session has ended."""

    def __init__(self, refusal: Refusal = Refusal.INVALID, message: str | None = None) -> None:
        """`message` replaces the usual one of `refusal`."""
        super().__init__(message or refusal.value)
        self.refusal = refusal
        self.reason = refusal.name


class SessionEnded(TokenRefused):
    """The session that a request acts for has ended since the edge verified it."""

    def __init__(self) -> None:
        super().__init__(Refusal.SESSION_ENDED)


class Forbidden(ClientError):
    """The session lacks a scope, or the caller may not use this path."""

    code = "FORBIDDEN"
    default = "This session may not do that."


class BadRequest(ClientError):
    """The request is not a GraphQL request, or not one that its path serves."""

    code = "BAD_REQUEST"
    default = "The request is not valid."


class PersistedQueryNotFound(ClientError):
    """The client must send the document with its hash; clients compare this very message."""

    code = "PERSISTED_QUERY_NOT_FOUND"
    default = "PersistedQueryNotFound"


class BadUserInput(ClientError):
    """An argument or a variable has a value that the field does not accept."""

    code = "BAD_USER_INPUT"
    default = "The input is not valid."


class Overloaded(ClientError):
    """More work of this kind is waiting than can be done in useful time."""

    code = "SERVICE_UNAVAILABLE"
    default = "The service is busy. Try again shortly."


INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"
PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"

_STATUS = {
    PersistedQueryNotFound.code: 200,
    Unauthenticated.code: 401,
    Forbidden.code: 403,
    "TOO_MANY_REQUESTS": 429,
    INTERNAL_SERVER_ERROR: 500,
    Overloaded.code: 503,
}


def status_for(code: str) -> int:
    """Return the HTTP status of a response that holds an error of this code and no data."""
    return _STATUS.get(code, 400)


class StreamEnded(ClientError):
    """Ends an open subscription, and the connection that carries it.

    A subscription's generator raises it. A WebSocket is closed with `close_code`.
    """

    close_code: ClassVar[int]


class TokenExpired(StreamEnded):
    """The client must refresh its token and subscribe again from its last cursor."""

    code = "UNAUTHENTICATED"
    reason = Refusal.EXPIRED.name
    default = Refusal.EXPIRED.value
    close_code = 4401


class StreamSessionEnded(StreamEnded):
    """The client must sign in again."""

    code = "FORBIDDEN"
    reason = Refusal.SESSION_ENDED.name
    default = Refusal.SESSION_ENDED.value
    close_code = 4403


class TooSlow(StreamEnded):
    """The client must subscribe again from its last cursor."""

    code = "SERVICE_UNAVAILABLE"
    default = "The subscriber reads too slowly. Subscribe again from the last cursor."
    close_code = 1013


class Interrupted(StreamEnded):
    """A part that the stream needs is away; the client may try again from its last cursor."""

    code = "SERVICE_UNAVAILABLE"
    default = "The stream was interrupted. Subscribe again from the last cursor."
    close_code = 1013


class Restarting(StreamEnded):
    """The client must subscribe again from its last cursor; another process serves it."""

    code = "SERVICE_UNAVAILABLE"
    default = "The server restarts. Subscribe again from the last cursor."
    close_code = 1012


def error_body(code: str, message: str, reason: str | None = None) -> bytes:
    """Return a GraphQL response that holds one error and no data."""
    extensions = {"code": code} | ({"reason": reason} if reason else {})
    return orjson.dumps({"errors": [{"message": message, "extensions": extensions}]})


def error_response(status: int, code: str, message: str) -> Response:
    """Return an HTTP response of `status` whose body is a GraphQL error."""
    return Response(error_body(code, message), status, media_type="application/json")
