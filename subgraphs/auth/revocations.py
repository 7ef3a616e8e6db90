"""Tells every process that a session has ended, before whoever ended it has an answer.

Once `signOut` has answered, no auth process accepts the session's tokens, and no other process that
follows `auth.revocations` acts for the session any more (docs/adr/0006).
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from redis.asyncio import Redis

from chassis.broadcast import RECONCILE_EVERY, Publisher, Subscriber

STREAM = "auth.revocations"

_OVERLAP = timedelta(minutes=2)
"""How far a look goes back beyond the one before: two processes' clocks may differ by a minute, and
the end of a session is committed less than another after the moment that it bears."""


class RevocationFeed(Subscriber):
    """The sessions that have ended while tokens of theirs may be about, as far as known here."""

    def __init__(
        self,
        redis: Redis,
        load: Callable[[datetime], Awaitable[Sequence[UUID]]],
        *,
        token_lifetime: float,
        reconcile_every: float = RECONCILE_EVERY,
    ) -> None:
        """`load` gives the sessions that have ended since a moment.

        The first look goes back `token_lifetime` seconds. Those that follow, every so many seconds
        and after a gap, find what has ended since the last and was perhaps never published.
        """
        lifetime = timedelta(seconds=token_lifetime)
        looked: datetime | None = None

        async def look() -> Collection[str]:
            nonlocal looked
            now = datetime.now(UTC)
            whole = now - lifetime
            found = await load(whole if looked is None else max(whole, looked - _OVERLAP))
            looked = now
            return [str(session_id) for session_id in found]

        super().__init__(
            redis,
            STREAM,
            reconcile=look,
            remember_for=token_lifetime,
            reconcile_every=reconcile_every,
        )

    def has_ended(self, session_id: str) -> bool:
        return self.has_received(session_id)


class RedisRevocationAnnouncer:
    """Ends sessions everywhere before it returns: here at once, then in every other process."""

    def __init__(
        self, redis: Redis, feed: RevocationFeed, *, reconcile_every: float = RECONCILE_EVERY
    ) -> None:
        """`reconcile_every`: seconds within which every process looks for itself anyway."""
        self._feed = feed
        self._publisher = Publisher(redis, STREAM, reconcile_every=reconcile_every)

    async def announce(self, session_ids: Sequence[UUID]) -> None:
        ended = [str(session_id) for session_id in session_ids]
        self._feed.remember(ended)
        await self._publisher.publish(ended)
