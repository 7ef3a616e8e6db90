"""The rules of a deployment for sessions: how long they live, and which scopes they have."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from subgraphs.auth.domain import Device, Session, User
from subgraphs.auth.errors import UnknownRole

USER = "user"
"""The role of every account."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A session ends `session_lifetime` after its last refresh, `session_max_lifetime` at most."""

    roles: Mapping[str, frozenset[str]]
    """The scopes of each role that exists. Every account has the role `user`."""
    session_lifetime: timedelta = timedelta(days=30)
    session_max_lifetime: timedelta = timedelta(days=90)
    refresh_retry_window: timedelta = timedelta(seconds=30)
    """How long after its first use a refresh token may be exchanged again."""
    recent: timedelta = timedelta(minutes=15)
    """How long after its opening a session may end the user's other sessions."""
    new_device_mails: bool = True
    """Whether a sign-in on a new device is reported to the account's verified address."""

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that exist."""
        return frozenset().union(*self.roles.values())

    def scopes_of(self, user: User) -> frozenset[str]:
        """Return the scopes of a user's roles. A role that is not declared any more has none."""
        empty: frozenset[str] = frozenset()
        return empty.union(*(self.roles.get(role, empty) for role in {USER, *user.roles}))

    def assigned(self, named: Collection[str]) -> frozenset[str]:
        """Return the roles that are stored for an account that is to have those `named`.

        Every account has `user`, so it may be named and is not stored. Raises UnknownRole.
        """
        if unknown := sorted({*named} - self.roles.keys()):
            raise UnknownRole(unknown[0], sorted(self.roles))
        return frozenset(named) - {USER}

    def new_session(
        self, id: UUID, user: User, scopes: frozenset[str] | None, device: Device, now: datetime
    ) -> Session:
        """Return a new session for these scopes, or for all of the user if `scopes` is None."""
        return Session(
            id=id,
            user_id=user.id,
            scopes=self.scopes_of(user) if scopes is None else scopes,
            all_scopes=scopes is None,
            device=device,
            created_at=now,
            last_used_at=now,
            expires_at=self._expires_at(now, now),
        )

    def refreshed(self, session: Session, user: User, now: datetime) -> Session:
        """Return the session after a refresh, as it is stored."""
        return replace(
            session,
            last_used_at=now,
            expires_at=self._expires_at(session.created_at, now),
            all_scopes=session.has_all_scopes(self.scopes_of(user)),
        )

    def current(self, session: Session, user: User) -> Session:
        """Return a stored session as it is under this policy.

        Its scopes are within those of the user's roles, and its end obeys today's limit.
        """
        return replace(
            session,
            scopes=session.current_scopes(self.scopes_of(user)),
            expires_at=min(session.expires_at, self._last_end(session.created_at)),
        )

    def is_recent(self, session: Session, now: datetime) -> bool:
        """Return whether the session was opened, with the password, a short time ago."""
        return now - session.created_at <= self.recent

    def _expires_at(self, created_at: datetime, now: datetime) -> datetime:
        # Whole seconds, as in access tokens: the last one ends together with its session.
        end = min(now + self.session_lifetime, self._last_end(created_at))
        return end.replace(microsecond=0)

    def _last_end(self, created_at: datetime) -> datetime:
        return created_at + self.session_max_lifetime
