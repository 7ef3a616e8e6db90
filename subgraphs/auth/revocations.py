"""Makes the end of a session known to every process before `signOut` answers (docs/adr/0006)."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from redis.asyncio import Redis

from chassis.broadcast import RECONCILE_EVERY, Publisher, Subscriber
from chassis.sessions.revocations import STREAM

_OVERLAP = timedelta(minutes=2)
"""How far a look goes back beyond the one before. The clocks of two processes may differ by a
minute, and a session's end is committed less than another minute after the time that it bears."""


def revocation_subscriber(
    redis: Redis,
    load: Callable[[datetime], Awaitable[Sequence[UUID]]],
    *,
    token_lifetime: float,
    reconcile_every: float = RECONCILE_EVERY,
) -> Subscriber:
    """Return a subscriber that knows the sessions that ended while their tokens may be valid.

    `load` returns the sessions that ended since a time. The first look goes back `token_lifetime`
    seconds. Later looks, every `reconcile_every` seconds and after a gap, go back to before the
    last one that succeeded: they find ends that were never published.
    """
    lifetime = timedelta(seconds=token_lifetime)
    looked: datetime | None = None

    async def look() -> Collection[str]:
        nonlocal looked
        now = datetime.now(UTC)
        oldest = now - lifetime
        found = await load(oldest if looked is None else max(oldest, looked - _OVERLAP))
        looked = now
        return [str(session_id) for session_id in found]

    return Subscriber(
        redis,
        STREAM,
        reconcile=look,
        remember_for=token_lifetime,
        reconcile_every=reconcile_every,
    )


class RedisRevocationAnnouncer:
    """Implements the port RevocationAnnouncer: here at once, then in every other process."""

    def __init__(self, redis: Redis, here: Subscriber) -> None:
        """`here` is the subscriber of this process."""
        self._here = here
        self._publisher = Publisher(redis, STREAM)

    async def announce(self, session_ids: Sequence[UUID]) -> None:
        ended = [str(session_id) for session_id in session_ids]
        # Before the others: Redis may be away, and this process must refuse the tokens too.
        self._here.remember(ended)
        await self._publisher.publish(ended)
