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


class BadUserInput(ClientError):
    """An argument or a variable has a value that the field does not accept."""

    code = "BAD_USER_INPUT"
    default = "The input is not valid."


class Overloaded(ClientError):
    """More work of this kind is waiting than can be done in useful time."""

    code = "SERVICE_UNAVAILABLE"
    default = "The service is busy. Try again shortly."


class TooManyRequests(ClientError):
    """The caller has used up a budget; the message says when to try again."""

    code = "TOO_MANY_REQUESTS"
    default = "Too many requests. Try again later."


INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"
PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
"""The `reason` beside a code: the request is larger than a limit, which the message names."""


def error_body(code: str, message: str, reason: str | None = None) -> bytes:
    """Return a GraphQL response that holds one error and no data."""
    extensions = {"code": code} | ({"reason": reason} if reason else {})
    return orjson.dumps({"errors": [{"message": message, "extensions": extensions}]})


def error_response(status: int, code: str, message: str) -> Response:
    """Return an HTTP response of `status` whose body is a GraphQL error."""
    return Response(error_body(code, message), status, media_type="application/json")
