"""Answers the edge: whose request is this? Raw ASGI, since every request of the system asks."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from time import time
from typing import Protocol
from uuid import UUID

import orjson
import structlog
from starlette.types import Message, Receive, Scope, Send

from chassis.errors import Unauthenticated
from chassis.principal import Principal
from subgraphs.auth.errors import InvalidAccessToken, Refusal

PATH = "/authorize"

_SCHEME = b"bearer "
_TOKEN = re.compile(rb"[A-Za-z0-9\-._~+/]{1,4096}=*")

_EMPTY: Message = {"type": "http.response.body", "body": b""}
_ANONYMOUS: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-length", b"0")],
}
_log = structlog.get_logger("auth.authorize")


class Answer(StrEnum):
    """What the edge is told."""

    ANONYMOUS = "anonymous"
    REMEMBERED = "remembered"  # a good token that was seen before
    VERIFIED = "verified"  # a good token, seen for the first time
    INVALID = "invalid"
    EXPIRED = "expired"
    SESSION_ENDED = "session_ended"
    UNAVAILABLE = "unavailable"


class EndedSessions(Protocol):
    """What is known here of sessions that have ended, and whether that is all there is."""

    @property
    def is_current(self) -> bool: ...

    def has_ended(self, session_id: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token whose signature and claims were found good, and the answer that it gets."""

    session_id: str
    expires_at: float
    answer: Message


class Authorizer:
    """ASGI application for Envoy's `ext_authz` over HTTP.

    200 with the principal's `x-auth-*` headers, 200 with none for a request without a token, 401
    with a GraphQL error for a token that is not good, 503 when it cannot be known.
    """

    def __init__(
        self,
        verify: Callable[[str], Principal],
        feed: EndedSessions,
        is_live: Callable[[UUID], Awaitable[bool]],
        *,
        cache_size: int,
        count: Callable[[Answer], None] = lambda _: None,
    ) -> None:
        """`is_live` asks the database; it is used only while `feed` is not current.

        `count` is told each answer.
        """
        self._verify = verify
        self._feed = feed
        self._is_live = is_live
        self._cache_size = cache_size
        self._count = count
        self._verified: dict[bytes, _Verified] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        credentials = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                credentials = value
                break
        if credentials is None:
            self._count(Answer.ANONYMOUS)
            await send(_ANONYMOUS)
            await send(_EMPTY)
            return
        try:
            answer = await self._authorize(credentials)
        except InvalidAccessToken as refused:
            self._count(Answer[refused.refusal.name])
            await _refuse(send, refused.refusal)
        except Exception:
            self._count(Answer.UNAVAILABLE)
            _log.exception("a token could not be checked")
            await send({**_ANONYMOUS, "status": 503})
            await send(_EMPTY)
        else:
            await send(answer)
            await send(_EMPTY)

    async def _authorize(self, credentials: bytes) -> Message:
        token = _bearer(credentials)
        answer = Answer.REMEMBERED
        verified = self._verified.get(token)
        if verified is None:
            answer = Answer.VERIFIED
            verified = self._remember(token)
        elif verified.expires_at <= time():
            del self._verified[token]
            raise InvalidAccessToken(Refusal.EXPIRED)
        if self._feed.is_current:
            ended = self._feed.has_ended(verified.session_id)
        else:
            ended = not await self._is_live(UUID(verified.session_id))
        if ended:
            self._verified.pop(token, None)
            raise InvalidAccessToken(Refusal.SESSION_ENDED)
        self._count(answer)
        return verified.answer

    def _remember(self, token: bytes) -> _Verified:
        principal = self._verify(token.decode("ascii"))
        headers = [(n.encode(), v.encode()) for n, v in principal.headers().items()]
        verified = _Verified(
            session_id=str(principal.session_id),
            expires_at=principal.expires_at.timestamp(),
            answer={**_ANONYMOUS, "headers": [*_ANONYMOUS["headers"], *headers]},
        )
        if len(self._verified) >= self._cache_size:
            # The first one in: about the one with the least time left.
            del self._verified[next(iter(self._verified))]
        self._verified[token] = verified
        return verified


def _bearer(credentials: bytes) -> bytes:
    """The token (RFC 6750), the same for every way of writing the header around it."""
    token = credentials[len(_SCHEME) :].strip(b" ")
    if credentials[: len(_SCHEME)].lower() != _SCHEME or not _TOKEN.fullmatch(token):
        raise InvalidAccessToken
    return token


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
