"""Records security events, with the origin of the running request."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from subgraphs.auth.ports import Repositories, UnitOfWork
from subgraphs.auth.security_events import Origin, Reason, SecurityEvent, SecurityEventKind

_THROTTLED = {SecurityEventKind.SIGN_IN_THROTTLED, SecurityEventKind.REAUTHENTICATION_THROTTLED}
_ONCE_IN = timedelta(hours=1)
"""The time in which an account gets one event for attempts that were throttled, however many."""
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class SecurityLog:
    """`origin` returns who causes the work that is running."""

    unit_of_work: UnitOfWork
    origin: Callable[[], Origin]
    now: Callable[[], datetime]
    new_id: Callable[[], UUID]
    """Returns a UUIDv7."""

    async def add(
        self,
        repositories: Repositories,
        kind: SecurityEventKind,
        user_id: UUID,
        *,
        session_id: UUID | None = None,
        reason: str | None = None,
    ) -> None:
        """Record what the caller's transaction does.

        `session_id` is the session that the event is about, by default the one that acts.
        """
        origin = self.origin()
        if session_id is not None:
            origin = replace(origin, session_id=session_id)
        await repositories.security_events.add(self._event(kind, user_id, origin, reason))

    async def add_refused(
        self, kind: SecurityEventKind, user_id: UUID | None, reason: Reason | None = None
    ) -> None:
        """Record an attempt that was refused, in a unit of work of its own.

        For an unknown account, which `user_id` None stands for, the same statement does nothing:
        the time of a refusal must not reveal which accounts exist. Throttled attempts are recorded
        once in an hour.
        """
        event = self._event(kind, user_id or _NOBODY, self.origin(), reason)
        once_since = event.at - _ONCE_IN if kind in _THROTTLED else None
        await self.unit_of_work.statement(
            lambda repositories: repositories.security_events.add_refused(event, once_since)
        )

    def _event(
        self, kind: SecurityEventKind, user_id: UUID, origin: Origin, reason: str | None
    ) -> SecurityEvent:
        return SecurityEvent(self.new_id(), user_id, kind, self.now(), origin, reason)
