"""Follows which sessions have ended: known here before the caller that ended one has an answer.

This process is one of those that auth waits for (docs/adr/0006, docs/adr/0010).
"""

from collections.abc import Callable, Collection

from redis.asyncio import Redis

from chassis.broadcast import RECONCILE_EVERY, RETENTION, Subscriber
from chassis.sessions.client import Sessions

STREAM = "auth.revocations"


class SessionWatch(Subscriber):
    """The sessions that have ended in the last hour, as far as known here.

    While it is not current, a session may have ended unheard: nothing may be delivered to it, and
    auth is asked before it writes.
    """

    def __init__(
        self,
        redis: Redis,
        sessions: Sessions,
        *,
        open_sessions: Callable[[], Collection[str]] = tuple,
        on_ended: Callable[[Collection[str]], None] = lambda _: None,
        reconcile_every: float = RECONCILE_EVERY,
    ) -> None:
        """`open_sessions` gives those that auth is asked about after a gap, and every second.

        `on_ended` is called as soon as sessions are known to have ended, and before auth can know
        that this process has heard of it.
        """

        async def look() -> Collection[str]:
            return await sessions.ended(open_sessions())

        super().__init__(
            redis,
            STREAM,
            reconcile=look,
            remember_for=RETENTION,
            on_received=on_ended,
            reconcile_every=reconcile_every,
        )

    def has_ended(self, session_id: str) -> bool:
        return self.has_received(session_id)
