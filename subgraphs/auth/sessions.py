"""The use cases that end sessions, and re-authentication, which some of them need."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.ports import T
from subgraphs.auth.credentials import Credentials, lock_authenticated
from subgraphs.auth.domain import Device, Reauthenticated, Session, User
from subgraphs.auth.errors import (
    InvalidCredentials,
    ReauthenticationRequired,
    SessionNotFound,
)
from subgraphs.auth.policy import Policy
from subgraphs.auth.ports import (
    AccessTokenIssuer,
    RefreshTokenMint,
    Repositories,
    RevocationAnnouncer,
)
from subgraphs.auth.security_events import SecurityEventKind
from subgraphs.auth.security_log import SecurityLog
from subgraphs.auth.service import end_sessions


@dataclass(frozen=True, slots=True)
class SessionService:
    """A method that ends sessions returns when no process accepts their tokens any more.

    `current` is the session of the request.
    """

    credentials: Credentials
    access_tokens: AccessTokenIssuer
    refresh_tokens: RefreshTokenMint
    revocations: RevocationAnnouncer
    security_log: SecurityLog
    policy: Policy
    now: Callable[[], datetime]
    new_id: Callable[[], UUID]

    async def reauthenticate(
        self, user_id: UUID, current: UUID, password: str, device: Device
    ) -> Reauthenticated | None:
        """Replace the session by a new one of the same scopes, whose age begins again.

        A new one, because a copy of the old tokens must not profit from the password (OWASP ASVS
        5.0, 7.2.4; docs/adr/0025). Returns None if the session has ended meanwhile. Raises
        InvalidCredentials or TooManyAttempts.
        """
        confirmed = await self.credentials.confirm(user_id, password)
        refresh_token = self.refresh_tokens.first()
        now = self.now()

        async def work(repositories: Repositories) -> tuple[User, Session] | None:
            user = await lock_authenticated(repositories, confirmed)
            old = await _live(repositories, user_id, current, now)
            if old is None or not await end_sessions(repositories, user_id, now, only=current):
                return None
            scopes = None if old.has_all_scopes(self.policy.scopes_of(user)) else old.scopes
            new = self.policy.new_session(self.new_id(), user, scopes, device, now)
            token_hash = self.refresh_tokens.hash(refresh_token)
            if not await repositories.sessions.open(new, user, token_hash):
                raise InvalidCredentials
            kind = SecurityEventKind.REAUTHENTICATED
            await self.security_log.add(repositories, kind, user_id, session_id=new.id)
            return user, new

        opened = await self._transaction(work)
        if opened is None:
            return None
        await self.revocations.announce([current])
        user, new = opened
        session = self.policy.current(new, user)
        access_token = self.access_tokens.issue(user, session, self.now())
        return Reauthenticated(session, access_token, refresh_token)

    async def sign_out(self, user_id: UUID, current: UUID) -> Sequence[UUID]:
        """End one session. Returns the ids of the sessions ended: none if it had ended before."""
        return await self._end(SecurityEventKind.SIGNED_OUT, user_id, current, only=current)

    async def sign_out_everywhere(self, user_id: UUID, current: UUID) -> Sequence[UUID]:
        """End all sessions of a user. Returns their ids.

        Raises ReauthenticationRequired if there are others and this one is not recent.
        """
        return await self._end(SecurityEventKind.SIGNED_OUT_EVERYWHERE, user_id, current)

    async def revoke_session(
        self, user_id: UUID, current: UUID, session_id: UUID
    ) -> Sequence[UUID]:
        """End one of the user's own sessions.

        Raises SessionNotFound, or ReauthenticationRequired for another session than this one if
        this one is not recent.
        """
        kind = SecurityEventKind.SESSION_REVOKED
        ended = await self._end(kind, user_id, current, only=session_id)
        if not ended:
            raise SessionNotFound
        return ended

    async def _end(
        self, kind: SecurityEventKind, user_id: UUID, current: UUID, *, only: UUID | None = None
    ) -> Sequence[UUID]:
        now = self.now()

        async def work(repositories: Repositories) -> Sequence[UUID]:
            if only != current:
                await repositories.users.lock(user_id)  # no session is opened meanwhile
                live = await repositories.sessions.of_user(user_id, now)
                self._require_recent(live, current, only, now)
            ended = await end_sessions(repositories, user_id, now, only=only)
            if ended:
                await self.security_log.add(repositories, kind, user_id, session_id=only)
            return ended

        ended = await self._transaction(work)
        await self.revocations.announce(ended)
        return ended

    def _require_recent(
        self, live: Sequence[Session], current: UUID, only: UUID | None, now: datetime
    ) -> None:
        """Raise ReauthenticationRequired if another session would end and `current` is old."""
        ends_others = any(s.id != current and only in {None, s.id} for s in live)
        is_recent = any(s.id == current and self.policy.is_recent(s, now) for s in live)
        if ends_others and not is_recent:
            raise ReauthenticationRequired(self.policy.recent)

    async def _transaction(self, work: Callable[[Repositories], Awaitable[T]]) -> T:
        return await self.credentials.unit_of_work.transaction(work)


async def _live(
    repositories: Repositories, user_id: UUID, session_id: UUID, now: datetime
) -> Session | None:
    sessions = await repositories.sessions.of_user(user_id, now)
    return next((session for session in sessions if session.id == session_id), None)
