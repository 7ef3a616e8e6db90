"""Refuses a write of a request whose session has ended.

The edge verifies a request once, when it arrives. The session may end while the request runs: by an
earlier field of the same document, or by another request. `signOut` and `deleteAccount` answer only
after every process has read that the session ended, so a process knows it before it commits a later
write (docs/adr/0006).
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.errors import SessionEnded

_SESSION_ID_HEADER = b"x-auth-session-id"


class EndedSessions(Protocol):
    """The sessions that this process knows to have ended; in production a `Subscriber`."""

    @property
    def is_current(self) -> bool:
        """Whether the process knows every session that has ended."""

    def has_ended(self, session_id: str) -> bool:
        """Return whether the process knows that the session has ended."""


class SessionGuard:
    """Refuses what a session does after its end."""

    def __init__(self, known: EndedSessions, ask: Callable[[str], Awaitable[bool]]) -> None:
        """`ask` returns whether a session has ended; it is called while `known` is not current."""
        self._known = known
        self._ask = ask

    def require_live(self, session_id: str) -> None:
        """Raise SessionEnded for a session that this process knows to have ended. Does no I/O."""
        if self._known.has_ended(session_id):
            raise SessionEnded

    async def verify_live(self, session_id: str) -> None:
        """Raise SessionEnded for a session that has ended. Also raises what `ask` raises."""
        self.require_live(session_id)
        if not self._known.is_current and await self._ask(session_id):
            raise SessionEnded


_acting: ContextVar[tuple[SessionGuard, str] | None] = ContextVar("acting session", default=None)


class ActingSession:
    """ASGI middleware: binds all work of a request to the session that sent it."""

    def __init__(self, app: ASGIApp, guard: SessionGuard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Of several headers with one name the first counts, as for the principal.
        given = (value for name, value in scope["headers"] if name == _SESSION_ID_HEADER)
        session_id = next(given, None)
        if session_id is None:
            await self._app(scope, receive, send)
            return
        token = _acting.set((self._guard, session_id.decode("latin-1")))
        try:
            await self._app(scope, receive, send)
        finally:
            _acting.reset(token)


def require_live_session() -> None:
    """Raise SessionEnded if the running request's session is known to have ended.

    Does no I/O, so every resolver can call it. Does nothing outside a request, or for an anonymous
    one.
    """
    if acting := _acting.get():
        guard, session_id = acting
        guard.require_live(session_id)


async def verify_live_session() -> None:
    """Raise SessionEnded if the running request's session has ended.

    Called before a write. While the process may not know every ended session, the guard asks auth.
    Raises what its `ask` raises: without an answer nothing may be written.
    """
    if acting := _acting.get():
        guard, session_id = acting
        await guard.verify_live(session_id)
