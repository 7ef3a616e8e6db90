"""The errors that a client sees in `errors[]`; expected outcomes are data and not here."""

from typing import ClassVar

import orjson
from starlette.responses import Response


class ClientError(Exception):
    """An error whose message and code may be shown to the client."""

    code: ClassVar[str]
    reason: ClassVar[str | None] = None
    """Which of several causes of the code it is, where clients do different things about them."""
    # Not `message`: graphql-core shows an attribute of that name instead of what was raised.
    default: ClassVar[str]

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default)

    @property
    def extensions(self) -> dict[str, object]:
        """What graphql-core puts beside the message."""
        known = {"code": self.code, "reason": self.reason}
        return {name: value for name, value in known.items() if value}


class Unauthenticated(ClientError):  # noqa: N818
    code = "UNAUTHENTICATED"
    default = "Sign in first."


class SessionOver(Unauthenticated):
    """The session that a request acts for has ended since the edge verified it."""

    reason = "SESSION_ENDED"  # as the edge answers a token of an ended session
    default = "The session has ended."


class Forbidden(ClientError):  # noqa: N818
    code = "FORBIDDEN"
    default = "This session may not do that."


class BadRequest(ClientError):  # noqa: N818
    """The request is not a GraphQL request, or not one that its path serves."""

    code = "BAD_REQUEST"
    default = "The request is not valid."


class PersistedQueryNotFound(ClientError):  # noqa: N818
    """The client is to send the document beside its hash; clients look for this very message."""

    code = "PERSISTED_QUERY_NOT_FOUND"
    default = "PersistedQueryNotFound"


class BadUserInput(ClientError):  # noqa: N818
    code = "BAD_USER_INPUT"
    default = "The input is not valid."


class Overloaded(ClientError):  # noqa: N818
    """There is more of this work waiting than can be done in useful time."""

    code = "SERVICE_UNAVAILABLE"
    default = "Too much is going on at the moment. Try again shortly."


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


class StreamEnded(ClientError):  # noqa: N818
    """Ends an open subscription, and the connection that carries it.

    A subscription's generator raises it. `close_code` is what a WebSocket is closed with.
    """

    close_code: ClassVar[int]


class TokenExpired(StreamEnded):
    """The client is to refresh its token and to subscribe again from where it was."""

    code = "UNAUTHENTICATED"
    reason = "EXPIRED"
    default = "The access token has expired."
    close_code = 4401


class SessionEnded(StreamEnded):
    code = "FORBIDDEN"
    reason = "SESSION_ENDED"
    default = "The session has ended."
    close_code = 4403


class TooSlow(StreamEnded):
    """The client is to subscribe again from where it was."""

    code = "SERVICE_UNAVAILABLE"
    default = "The subscriber reads too slowly. Subscribe again from the last cursor."
    close_code = 1013


class Interrupted(StreamEnded):
    """Something that the stream needs is away; the client is to try again from where it was."""

    code = "SERVICE_UNAVAILABLE"
    default = "The stream was interrupted. Subscribe again from the last cursor."
    close_code = 1013


class Restarting(StreamEnded):
    """The client is to subscribe again from where it was, at another process."""

    code = "SERVICE_UNAVAILABLE"
    default = "The server restarts. Subscribe again from the last cursor."
    close_code = 1012


def error_body(code: str, message: str) -> bytes:
    """A GraphQL response that holds one error and no data."""
    return orjson.dumps({"errors": [{"message": message, "extensions": {"code": code}}]})


def error_response(status: int, code: str, message: str) -> Response:
    """An HTTP response of `status` whose body is a GraphQL error."""
    return Response(error_body(code, message), status, media_type="application/json")
