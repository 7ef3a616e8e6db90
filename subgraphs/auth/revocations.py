"""Makes the end of a session known to every process before `signOut` answers (docs/adr/0006)."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from redis.asyncio import Redis

from chassis.broadcast import RECONCILE_EVERY, Publisher, Subscriber
from chassis.sessions.revocations import STREAM

_OVERLAP = timedelta(minutes=2)
"""How far a reconciliation goes back beyond the previous one.

The clocks of two processes may differ by a minute, and a session's end is committed less than
another minute after the time that it bears.
"""


def revocation_subscriber(
    redis: Redis,
    load: Callable[[datetime], Awaitable[Sequence[UUID]]],
    *,
    token_lifetime: float,
    reconcile_every: float = RECONCILE_EVERY,
) -> Subscriber:
    """Return a subscriber that knows the sessions that ended while their tokens may be valid.

    `load` returns the sessions that ended since a time. The first reconciliation goes back
    `token_lifetime` seconds. Later ones, every `reconcile_every` seconds and after a gap, go back
    to before the last one that succeeded: they find ends that were never published.
    """
    lifetime = timedelta(seconds=token_lifetime)
    reconciled_at: datetime | None = None

    async def reconcile() -> Collection[str]:
        nonlocal reconciled_at
        now = datetime.now(UTC)
        oldest = now - lifetime
        found = await load(
            oldest if reconciled_at is None else max(oldest, reconciled_at - _OVERLAP)
        )
        reconciled_at = now
        return [str(session_id) for session_id in found]

    return Subscriber(
        redis,
        STREAM,
        reconcile=reconcile,
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
