"""What the use cases need from the world."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from chassis import ports
from chassis.ports import T
from subgraphs.auth.domain import (
    AccessToken,
    Account,
    DeletedUser,
    EmailSettings,
    RefreshToken,
    Session,
    User,
)


class UserRepository(Protocol):
    async def add(self, user: User, email_settings: EmailSettings) -> None:
        """Raises UsernameTaken or EmailTaken."""

    async def by_ids(self, ids: Collection[UUID]) -> Sequence[User]: ...

    async def by_login(self, login: str) -> User | None:
        """Looks for a username or a normalised e-mail address, whatever their case."""

    async def change_password_hash(self, user_id: UUID, *, old: str, new: str) -> None:
        """Does nothing if the hash is no longer `old`."""

    async def lock(self, user_id: UUID) -> bool:
        """Holds the user for the rest of the transaction: no session is opened meanwhile.

        False if they are no longer there.
        """

    async def remove(self, user_id: UUID, now: datetime) -> None:
        """Leaves only the fact that the user existed."""

    async def change_email_settings(self, user_id: UUID, settings: EmailSettings) -> None:
        """Does nothing if the user does not exist or settings of a later time are known."""

    async def known_after(self, user_id: UUID, limit: int) -> Sequence[Account | DeletedUser]:
        """Return the next users by id, deleted ones among them, as they are at one moment."""


class SessionRepository(Protocol):
    async def open(self, session: Session, token_hash: bytes) -> bool:
        """With its first refresh token. False if the user is no longer there."""

    async def live(self, session_ids: Collection[UUID], now: datetime) -> Collection[UUID]:
        """Those of the sessions that live."""

    async def of_user(self, user_id: UUID, now: datetime) -> Sequence[Session]:
        """Live sessions, the last used first."""

    async def locked_by_refresh_token(self, token_hash: bytes) -> Session | None:
        """The session of a refresh token, held for the rest of the transaction."""

    async def prolong(
        self, session_id: UUID, *, now: datetime, expires_at: datetime, all_scopes: bool
    ) -> None: ...

    async def end(self, user_id: UUID, now: datetime, only: UUID | None = None) -> Sequence[UUID]:
        """Ends all sessions of a user, or only one of them, and gives the ids of those ended.

        Their ids stay known to `ended_since`.
        """

    async def ended_since(self, moment: datetime) -> Sequence[UUID]: ...


class RefreshTokenRepository(Protocol):
    async def add(self, token_hash: bytes, session_id: UUID, now: datetime) -> None: ...

    async def get(self, token_hash: bytes) -> RefreshToken | None: ...

    async def use(self, token_hash: bytes, now: datetime) -> None: ...


class Repositories(Protocol):
    """All that one unit of work can reach."""

    @property
    def users(self) -> UserRepository: ...

    @property
    def sessions(self) -> SessionRepository: ...

    @property
    def refresh_tokens(self) -> RefreshTokenRepository: ...

    @property
    def events(self) -> ports.EventOutbox: ...


Work = Callable[[Repositories], Awaitable[T]]


class UnitOfWork(ports.UnitOfWork[Repositories], Protocol):
    async def statement(self, work: Work[T]) -> T:
        """Run `work`, a single statement, as a transaction. A second raises RuntimeError."""


class PasswordHasher(Protocol):
    async def hash(self, password: str) -> str: ...

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Takes the same time for None (nobody there) as for a wrong password."""

    def outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than those of today."""


class AccessTokenIssuer(Protocol):
    def issue(self, user: User, session: Session, now: datetime) -> AccessToken: ...


class RefreshTokenMint(Protocol):
    """Makes refresh tokens: opaque strings of 256 bits."""

    def first(self) -> str: ...

    def successor(self, token: str) -> str:
        """The one token that may follow `token`: always the same for the same token."""

    def hash(self, token: str) -> bytes: ...


class RevocationAnnouncer(Protocol):
    async def announce(self, session_ids: Sequence[UUID]) -> None:
        """Returns when no process will accept tokens of these sessions any more."""


EmailNormalizer = Callable[[str], str]
"""Gives the form of an address that is stored and compared. Raises ValueError with a reason."""
