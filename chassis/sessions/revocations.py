"""Follows the ended sessions, in a service that is not auth.

Auth answers `signOut` only after this process has read that the session ended, or has lost its
lease (docs/adr/0006, docs/adr/0010).
"""

from collections.abc import Callable, Collection

from redis.asyncio import Redis

from chassis.broadcast import KEPT, LOOK_EVERY, Listener
from chassis.sessions.client import Sessions

STREAM = "auth.revocations"
"""The ids of sessions that ended; auth writes it."""


def revocation_listener(
    redis: Redis,
    sessions: Sessions,
    *,
    open_sessions: Callable[[], Collection[str]] = tuple,
    on_ended: Callable[[Collection[str]], None] = lambda _: None,
    look_every: float = LOOK_EVERY,
) -> Listener:
    """Return a listener that knows the sessions that ended in the last hour.

    While it is not current it may lack some: nothing may be delivered to a session, and auth must
    be asked before a session writes. After a gap, and every `look_every` seconds, it asks auth
    about the `open_sessions`. It calls `on_ended` before it publishes that this process has read.
    """

    async def look() -> Collection[str]:
        return await sessions.ended(open_sessions())

    return Listener(
        redis, STREAM, look=look, remembered=KEPT, heard=on_ended, look_every=look_every
    )
