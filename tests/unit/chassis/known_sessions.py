"""The ended sessions that a test declares."""

import asyncio
from dataclasses import dataclass, field

from chassis.sessions.guard import SessionGuard


@dataclass
class KnownSessions:
    """The ended sessions that a process knows, and those that auth knows."""

    ended: set[str] = field(default_factory=set)
    """Known to the process."""
    is_current: bool = True
    ended_at_auth: set[str] = field(default_factory=set)
    auth_is_away: type[Exception] | None = None
    looked: int = 0
    """How often the process looked up a session."""
    asked: list[str] = field(default_factory=list)
    """The sessions that auth was asked about."""

    @property
    def guard(self) -> SessionGuard:
        return SessionGuard(self, self._ask)

    async def current(self) -> None:
        """Do not return while the process is not current."""
        while not self.is_current:
            await asyncio.sleep(0.01)

    def has_ended(self, session_id: str) -> bool:
        self.looked += 1
        return session_id in self.ended

    async def _ask(self, session_id: str) -> bool:
        self.asked.append(session_id)
        if self.auth_is_away:
            raise self.auth_is_away
        return session_id in self.ended_at_auth
