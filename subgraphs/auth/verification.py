"""Verifies access tokens: the signature, the claims and the session."""

import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from time import time
from uuid import UUID

from chassis.errors import Refusal, TokenRefused
from chassis.principal import Principal
from chassis.sessions.guard import EndedSessions

_TOKEN = re.compile(rb"[A-Za-z0-9\-._~+/]{1,4096}=*")


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token with a good signature and good claims."""

    principal: Principal
    session_id: str
    expires_at: float
    """Seconds since 1970."""
    headers: list[tuple[bytes, bytes]]
    """The headers of the principal, built once per token (docs/adr/0005)."""


class Verification:
    """Verifies tokens and their sessions. Sessions: in `known` while it is current, else `live`.

    Every method raises what `live` raises.
    """

    def __init__(
        self,
        verify: Callable[[str], Principal],
        known: EndedSessions,
        live: Callable[[Collection[UUID]], Awaitable[Collection[UUID]]],
        *,
        cache_size: int,
    ) -> None:
        """`verify` checks signature and claims; it raises TokenRefused.

        `live` asks the database which sessions are live; it is called while `known` is not current.
        `cache_size` is the number of tokens that are remembered.
        """
        self._verify = verify
        self._known = known
        self._live = live
        self._cache_size = cache_size
        self._verified: dict[bytes, VerifiedToken] = {}

    async def token(self, token: bytes) -> VerifiedToken:
        """Return the principal of a token and its headers. Raises TokenRefused."""
        verified = self._verified.get(token)
        if verified is None:
            verified = self._remember(token)
        elif verified.expires_at <= time():
            del self._verified[token]
            raise TokenRefused(Refusal.EXPIRED)
        if self._known.is_current:
            ended = self._known.has_ended(verified.session_id)
        else:
            ended = not await self._live([verified.principal.session_id])
        if ended:
            self._verified.pop(token, None)
            raise TokenRefused(Refusal.SESSION_ENDED)
        return verified

    async def ended(self, session_ids: Collection[UUID]) -> Collection[UUID]:
        """Return those of the sessions that have ended.

        Ask only about sessions with an unexpired token: memory forgets the others.
        """
        if self._known.is_current:
            return [id_ for id_ in session_ids if self._known.has_ended(str(id_))]
        return set(session_ids).difference(await self._live(session_ids))

    async def has_ended(self, session_id: str) -> bool:
        """Return whether one session has ended. As for `ended`, its token must be unexpired."""
        return bool(await self.ended([UUID(session_id)]))

    def forget(self) -> None:
        """Verify every token again: a key that signed some of them is no longer valid."""
        self._verified.clear()

    def _remember(self, token: bytes) -> VerifiedToken:
        if not _TOKEN.fullmatch(token):
            raise TokenRefused
        principal = self._verify(token.decode("ascii"))
        verified = VerifiedToken(
            principal,
            session_id=str(principal.session_id),
            expires_at=principal.expires_at.timestamp(),
            headers=[(n.encode(), v.encode()) for n, v in principal.headers().items()],
        )
        if len(self._verified) >= self._cache_size:
            # The first entry is the oldest, so about the next to expire.
            del self._verified[next(iter(self._verified))]
        self._verified[token] = verified
        return verified
