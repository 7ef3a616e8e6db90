"""Follows the ended sessions, in a service that is not auth.

Auth answers `signOut` only after this process has read that the session ended, or has lost its
lease (docs/adr/0006, docs/adr/0010).
"""

from collections.abc import Callable, Collection

from redis.asyncio import Redis

from chassis.broadcast import RECONCILE_EVERY, RETENTION, Subscriber
from chassis.sessions.client import Sessions

STREAM = "auth.revocations"
"""The ids of sessions that ended; auth writes it."""


def revocation_subscriber(
    redis: Redis,
    sessions: Sessions,
    *,
    open_sessions: Callable[[], Collection[str]] = tuple,
    on_ended: Callable[[Collection[str]], None] = lambda _: None,
    reconcile_every: float = RECONCILE_EVERY,
) -> Subscriber:
    """Return a subscriber that knows the sessions that ended in the last hour.

    While it is not current it may lack some: nothing may be delivered to a session, and auth must
    be asked before a session writes. After a gap, and every `reconcile_every` seconds, it asks auth
    about the `open_sessions`. It calls `on_ended` before it publishes that this process has read.
    """

    async def reconcile() -> Collection[str]:
        return await sessions.ended(open_sessions())

    return Subscriber(
        redis,
        STREAM,
        reconcile=reconcile,
        remember_for=RETENTION,
        on_received=on_ended,
        reconcile_every=reconcile_every,
    )
