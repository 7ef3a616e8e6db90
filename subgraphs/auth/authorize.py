"""Answers the edge: whose request is this? Raw ASGI, since every request of the system asks."""

from collections.abc import Callable
from enum import StrEnum

import orjson
import structlog
from starlette.types import Message, Receive, Scope, Send

from chassis.errors import Unauthenticated
from chassis.principal import bearer_token
from subgraphs.auth.errors import InvalidAccessToken, Refusal
from subgraphs.auth.verification import Verification

PATH = "/authorize"

_EMPTY: Message = {"type": "http.response.body", "body": b""}
_NO_BODY = (b"content-length", b"0")
_ANONYMOUS: Message = {"type": "http.response.start", "status": 200, "headers": [_NO_BODY]}
_log = structlog.get_logger("auth.authorize")


class Answer(StrEnum):
    """What the edge is told."""

    ANONYMOUS = "anonymous"
    ACCEPTED = "accepted"
    INVALID = "invalid"
    EXPIRED = "expired"
    SESSION_ENDED = "session_ended"
    UNAVAILABLE = "unavailable"


class Authorizer:
    """ASGI application for Envoy's `ext_authz` over HTTP.

    200 with the principal's `x-auth-*` headers, 200 with none for a request without a token, 401
    with a GraphQL error for a token that is not good, 503 when it cannot be known.
    """

    def __init__(
        self, verification: Verification, count: Callable[[Answer], None] = lambda _: None
    ) -> None:
        """`count` is told each answer."""
        self._verification = verification
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        credentials = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                credentials = value
                break
        try:
            token = _token(credentials)
            if token is None:
                self._count(Answer.ANONYMOUS)
                await send(_ANONYMOUS)
                await send(_EMPTY)
                return
            verified = await self._verification.token(token)
        except InvalidAccessToken as refused:
            self._count(Answer[refused.refusal.name])
            await _refuse(send, refused.refusal)
        except Exception:
            self._count(Answer.UNAVAILABLE)
            _log.exception("a token could not be checked")
            await send({**_ANONYMOUS, "status": 503})
            await send(_EMPTY)
        else:
            self._count(Answer.ACCEPTED)
            await send({**_ANONYMOUS, "headers": [_NO_BODY, *verified.headers]})
            await send(_EMPTY)


def _token(credentials: bytes) -> bytes | None:
    """Return the token; None for a blank header. Raises InvalidAccessToken."""
    try:
        return bearer_token(credentials)
    except ValueError:
        raise InvalidAccessToken from None


async def _refuse(send: Send, refusal: Refusal) -> None:
    """401 as RFC 6750 has it, with a body that a GraphQL client understands."""
    extensions = {"code": Unauthenticated.code, "reason": refusal.name}
    body = orjson.dumps({"errors": [{"message": refusal.value, "extensions": extensions}]})
    challenge = f'Bearer error="invalid_token", error_description="{refusal.value}"'
    await send(
        {
            "type": "http.response.start",
            "status": 401,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"www-authenticate", challenge.encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
