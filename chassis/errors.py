"""The errors that a client sees in `errors[]`; expected outcomes are data and not here."""

from typing import ClassVar

import orjson
from starlette.responses import Response


class ClientError(Exception):
    """An error whose message and code may be shown to the client."""

    code: ClassVar[str]
    # Not `message`: graphql-core shows an attribute of that name instead of what was raised.
    default: ClassVar[str]

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default)

    @property
    def extensions(self) -> dict[str, object]:
        """What graphql-core puts beside the message."""
        return {"code": self.code}


class Unauthenticated(ClientError):  # noqa: N818
    code = "UNAUTHENTICATED"
    default = "Sign in first."


class SessionOver(Unauthenticated):
    """The session that a request acts for has ended since the edge verified it."""

    default = "The session has ended."

    @property
    def extensions(self) -> dict[str, object]:
        """As the edge's answer to a token of an ended session."""
        return {"code": self.code, "reason": "SESSION_ENDED"}


class Forbidden(ClientError):  # noqa: N818
    code = "FORBIDDEN"
    default = "This session may not do that."


class BadUserInput(ClientError):  # noqa: N818
    code = "BAD_USER_INPUT"
    default = "The input is not valid."


class Overloaded(ClientError):  # noqa: N818
    """There is more of this work waiting than can be done in useful time."""

    code = "SERVICE_UNAVAILABLE"
    default = "Too much is going on at the moment. Try again shortly."


class StreamEnded(ClientError):  # noqa: N818
    """Ends an open subscription, and the connection that carries it.

    A subscription's generator raises it. `close_code` is what a WebSocket is closed with.
    """

    close_code: ClassVar[int]


class TokenExpired(StreamEnded):
    """The client is to refresh its token and to subscribe again from where it was."""

    code = "UNAUTHENTICATED"
    default = "The access token has expired."
    close_code = 4401


class SessionEnded(StreamEnded):
    code = "FORBIDDEN"
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
