"""Answers the edge's question who sent a request. Raw ASGI: every request passes here (ADR 5)."""

from collections.abc import Callable
from enum import StrEnum

import structlog
from starlette.types import Message, Receive, Scope, Send

from chassis.errors import TokenRefused, error_body
from chassis.graphql.context import OUTCOME_HEADER
from chassis.principal import bearer_token
from subgraphs.auth.verification import Verification

PATH = "/authorize"

_EMPTY: Message = {"type": "http.response.body", "body": b""}
_NO_BODY = (b"content-length", b"0")
_ANONYMOUS: Message = {"type": "http.response.start", "status": 200, "headers": [_NO_BODY]}
_log = structlog.get_logger("auth.authorize")


class Answer(StrEnum):
    """The answers to the edge, as a metric counts them."""

    ANONYMOUS = "anonymous"
    ACCEPTED = "accepted"
    INVALID = "invalid"
    EXPIRED = "expired"
    SESSION_ENDED = "session_ended"
    UNAVAILABLE = "unavailable"


class Authorizer:
    """ASGI application for Envoy's `ext_authz` over HTTP.

    Answers 200 with the principal's `x-auth-*` headers, 200 without them for a request without a
    token, 401 with a GraphQL error for a refused token, and 503 when the token cannot be verified.
    """

    def __init__(
        self, verification: Verification, record: Callable[[Answer], None] = lambda _: None
    ) -> None:
        """`record` is called with each answer."""
        self._verification = verification
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        credentials = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                credentials = value
                break
        try:
            token = bearer_token(credentials)
            verified = await self._verification.token(token) if token is not None else None
        except TokenRefused as refused:
            self._record(Answer[refused.refusal.name])
            await _refuse(send, refused)
        except Exception:
            self._record(Answer.UNAVAILABLE)
            _log.exception("token verification failed")
            await send({**_ANONYMOUS, "status": 503})
            await send(_EMPTY)
        else:
            if verified is None:
                self._record(Answer.ANONYMOUS)
                await send(_ANONYMOUS)
            else:
                self._record(Answer.ACCEPTED)
                await send({**_ANONYMOUS, "headers": [_NO_BODY, *verified.headers]})
            await send(_EMPTY)


async def _refuse(send: Send, refused: TokenRefused) -> None:
    """Answer 401 as RFC 6750 defines it, with a body that a GraphQL client understands."""
    message = str(refused)
    body = error_body(refused.code, message, refused.reason)
    challenge = f'Bearer error="invalid_token", error_description="{message}"'
    await send(
        {
            "type": "http.response.start",
            "status": 401,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"www-authenticate", challenge.encode()),
                (OUTCOME_HEADER.encode(), refused.code.encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
