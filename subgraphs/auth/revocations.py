"""Tells every process that a session has ended, before whoever ended it has an answer.

Once `signOut` has answered, no auth process accepts the session's tokens, and no other process that
follows `auth.revocations` acts for the session any more (docs/adr/0006).
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from uuid import UUID

from redis.asyncio import Redis

from chassis.announcements import LOOK_EVERY, Announcer, Listener

STREAM = "auth.revocations"


class RevocationFeed(Listener):
    """The sessions that have ended while tokens of theirs may be about, as far as known here."""

    def __init__(
        self,
        redis: Redis,
        load: Callable[[], Awaitable[Sequence[UUID]]],
        *,
        token_lifetime: float,
        reconcile_every: float = LOOK_EVERY,
    ) -> None:
        """`load` gives the sessions that ended in the last `token_lifetime` seconds.

        It is called again every so many seconds, for news that was never published.
        """

        async def look() -> Collection[str]:
            return [str(session_id) for session_id in await load()]

        super().__init__(
            redis, STREAM, look=look, remembered=token_lifetime, look_every=reconcile_every
        )

    def has_ended(self, session_id: str) -> bool:
        return self.has_heard(session_id)


class RedisRevocationAnnouncer:
    """Ends sessions everywhere before it returns: here at once, then in every other process."""

    def __init__(
        self, redis: Redis, feed: RevocationFeed, *, reconcile_every: float = LOOK_EVERY
    ) -> None:
        """`reconcile_every`: seconds within which every process looks for itself anyway."""
        self._feed = feed
        self._announcer = Announcer(redis, STREAM, look_every=reconcile_every)

    async def announce(self, session_ids: Sequence[UUID]) -> None:
        ended = [str(session_id) for session_id in session_ids]
        self._feed.remember(ended)
        await self._announcer.announce(ended)
