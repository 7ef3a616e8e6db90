"""Whether an access token is good at this moment: its signature, its claims, and its session."""

import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from time import time
from uuid import UUID

from chassis.principal import Principal
from chassis.sessions.guard import EndedSessions
from subgraphs.auth.errors import InvalidAccessToken, Refusal

_TOKEN = re.compile(rb"[A-Za-z0-9\-._~+/]{1,4096}=*")


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token whose signature and claims were found good."""

    principal: Principal
    session_id: str
    expires_at: float
    headers: list[tuple[bytes, bytes]]
    """Those of the principal, made once."""


class Verification:
    """Checks tokens and sessions, from memory while that is complete and else in the database."""

    def __init__(
        self,
        verify: Callable[[str], Principal],
        feed: EndedSessions,
        live: Callable[[Collection[UUID]], Awaitable[Collection[UUID]]],
        *,
        cache_size: int,
    ) -> None:
        """`live` asks the database which sessions live, only while `feed` is not current."""
        self._verify = verify
        self._feed = feed
        self._live = live
        self._cache_size = cache_size
        self._verified: dict[bytes, VerifiedToken] = {}

    async def token(self, token: bytes) -> VerifiedToken:
        """Raises InvalidAccessToken, or whatever keeps the database from answering."""
        verified = self._verified.get(token)
        if verified is None:
            verified = self._remember(token)
        elif verified.expires_at <= time():
            del self._verified[token]
            raise InvalidAccessToken(Refusal.EXPIRED)
        if self._feed.is_current:
            ended = self._feed.has_ended(verified.session_id)
        else:
            ended = not await self._live([verified.principal.session_id])
        if ended:
            self._verified.pop(token, None)
            raise InvalidAccessToken(Refusal.SESSION_ENDED)
        return verified

    async def ended(self, session_ids: Collection[UUID]) -> Collection[UUID]:
        """Those of some sessions, each with a token that has not expired, that have ended."""
        if self._feed.is_current:
            return [id_ for id_ in session_ids if self._feed.has_ended(str(id_))]
        return set(session_ids).difference(await self._live(session_ids))

    async def has_ended(self, session_id: str) -> bool:
        """Return whether one session has ended."""
        return bool(await self.ended([UUID(session_id)]))

    def _remember(self, token: bytes) -> VerifiedToken:
        if not _TOKEN.fullmatch(token):
            raise InvalidAccessToken
        principal = self._verify(token.decode("ascii"))
        verified = VerifiedToken(
            principal,
            session_id=str(principal.session_id),
            expires_at=principal.expires_at.timestamp(),
            headers=[(n.encode(), v.encode()) for n, v in principal.headers().items()],
        )
        if len(self._verified) >= self._cache_size:
            # The first one in: about the one with the least time left.
            del self._verified[next(iter(self._verified))]
        self._verified[token] = verified
        return verified
