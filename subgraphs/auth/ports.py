"""What the use cases need from outside."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from chassis import ports
from chassis.paging import Page, PageRequest
from chassis.ports import T
from subgraphs.auth.domain import (
    AccessToken,
    Account,
    AccountMail,
    DeletedUser,
    EmailSettings,
    MailKind,
    RefreshToken,
    Session,
    User,
)
from subgraphs.auth.limits import Budget
from subgraphs.auth.logins import Login
from subgraphs.auth.security_events import SecurityEvent


class UserRepository(Protocol):
    async def add(self, user: User, email_settings: EmailSettings) -> None:
        """Add an account. Raises UsernameTaken or EmailTaken."""

    async def by_ids(self, ids: Collection[UUID]) -> Sequence[User]:
        """Return those of the users that exist, in no particular order."""

    async def account(self, user_id: UUID) -> Account | None:
        """Return the user with their settings."""

    async def by_login(self, login: Login) -> User | None:
        """Return the user with this username or address, in whatever case."""

    async def change_password_hash(self, user_id: UUID, *, old: str, new: str) -> None:
        """Replace the hash. Does nothing if it is no longer `old`."""

    async def lock(self, user_id: UUID) -> User | None:
        """Return the user, locked until the end of the transaction.

        No session is opened meanwhile.
        """

    async def change_password(self, user_id: UUID, password_hash: str, now: datetime) -> datetime:
        """Replace the hash of a locked user. Sign-ins in progress with the old one then fail.

        Returns the time of the change, which is later than that of every earlier one.
        """

    async def change_roles(self, user_id: UUID, roles: Collection[str]) -> None:
        """Replace the assigned roles of a locked user. Sign-ins in progress then fail."""

    async def report_breach(self, user: User, now: datetime) -> bool:
        """Store that a user is told that the password has leaked.

        Returns False if that is stored for this password already, or `user` has another by now.
        """

    async def verify_email(self, user: User, email: str, now: datetime) -> User:
        """Store the address of a locked user as verified. Returns the changed user.

        Its `email_verified_at` is `now`, or later if an earlier verification is not older. Raises
        EmailTaken.
        """

    async def remove(self, user_id: UUID, now: datetime) -> None:
        """Remove the account; its id and the time stay, as a DeletedUser."""

    async def set_disabled(self, user_id: UUID, at: datetime | None) -> None:
        """Store since when a locked user is disabled; None for one that is not."""

    async def deleted_at(self, user_id: UUID) -> datetime | None:
        """Return when the account with this id was deleted; None if it was not."""

    async def change_email_settings(self, user_id: UUID, settings: EmailSettings) -> None:
        """Store the settings. Does nothing if the user does not exist or later ones are stored."""

    async def known_after(self, user_id: UUID, limit: int) -> Sequence[Account | DeletedUser]:
        """Return up to `limit` users with a greater id, in the order of their ids.

        Deleted ones are among them. All are read at one moment.
        """


class SessionRepository(Protocol):
    async def open(self, session: Session, user: User, token_hash: bytes) -> bool:
        """Add a session with its first refresh token.

        Returns False if the user does not exist or is disabled, or has another password or other
        roles since `user` was read.
        """

    async def live(self, session_ids: Collection[UUID], now: datetime) -> Collection[UUID]:
        """Return those of the sessions that have neither ended nor expired."""

    async def of_user(self, user_id: UUID, now: datetime) -> Sequence[Session]:
        """Return the live sessions of a user, the last used first."""

    async def lock_by_refresh_token(self, token_hash: bytes) -> Session | None:
        """Return the session of a refresh token, locked until the end of the transaction."""

    async def prolong(self, session: Session) -> None:
        """Store the times and `all_scopes` of a session that was refreshed."""

    async def end(
        self,
        user_id: UUID,
        now: datetime,
        *,
        only: UUID | None = None,
        keep: UUID | None = None,
    ) -> Sequence[UUID]:
        """End all sessions of a user, `only` one, or all but `keep`. Returns the ids.

        `ended_since` returns these ids from now on.
        """

    async def ended_since(self, moment: datetime) -> Sequence[UUID]:
        """Return the ids of sessions that ended then or later."""


class RefreshTokenRepository(Protocol):
    async def add(self, token_hash: bytes, session_id: UUID, now: datetime) -> None:
        """Add the next token of a session."""

    async def get(self, token_hash: bytes) -> RefreshToken | None:
        """Return the token with this hash."""

    async def use(self, token_hash: bytes, now: datetime) -> None:
        """Store that a token was used."""


class AccountMailRepository(Protocol):
    """Mails about accounts, and the codes in them."""

    async def add(self, mail: AccountMail) -> None: ...

    async def lock(self, mail_id: UUID) -> AccountMail | None:
        """Return a mail, locked until the end of the transaction.

        For mails that the notifier fetches. To redeem a code, lock the user instead.
        """

    async def send(self, mail: AccountMail) -> None:
        """Store the kind, address, user and expiry of a mail whose content is handed out."""

    async def by_hash(self, hash: bytes) -> AccountMail | None:
        """Return the mail whose link has the code with this hash."""

    async def of_user(self, user_id: UUID, kinds: Collection[MailKind]) -> Sequence[AccountMail]:
        """Return a user's mails of these kinds."""

    async def count_attempt(self, mail_ids: Collection[UUID]) -> None:
        """Count a wrong short code against each of these mails."""

    async def remove(
        self, user_id: UUID, kinds: Collection[MailKind], *, since: datetime | None = None
    ) -> None:
        """Remove a user's mails of these kinds, so that their codes are void.

        With `since`, only those that were requested then or later.
        """

    async def is_reserved(self, address: str, user_id: UUID, now: datetime) -> bool:
        """Return whether another user than `user_id` may take this address back."""


class SecurityEventRepository(Protocol):
    """Security events; none is ever changed."""

    async def add(self, event: SecurityEvent) -> None: ...

    async def add_refused(self, event: SecurityEvent, once_since: datetime | None) -> None:
        """Add the event of an attempt that was refused. Does nothing if the user does not exist.

        With `once_since`, does nothing either if the user has an event of this kind since then. A
        crash of the database may lose events that were added this way in the last second.
        """

    async def of_user(self, user_id: UUID, page: PageRequest) -> Page[SecurityEvent]:
        """Return a page of the user's events, the newest first."""


class Repositories(Protocol):
    """All that one unit of work can reach."""

    @property
    def users(self) -> UserRepository: ...

    @property
    def sessions(self) -> SessionRepository: ...

    @property
    def refresh_tokens(self) -> RefreshTokenRepository: ...

    @property
    def account_mails(self) -> AccountMailRepository: ...

    @property
    def security_events(self) -> SecurityEventRepository: ...

    @property
    def events(self) -> ports.EventOutbox: ...


Work = Callable[[Repositories], Awaitable[T]]


class UnitOfWork(ports.UnitOfWork[Repositories], Protocol):
    """Runs use cases on the repositories."""

    async def statement(self, work: Work[T]) -> T:
        """Run `work`, a single statement, as a transaction. A second raises RuntimeError."""


class PasswordHasher(Protocol):
    """Hashes passwords; slow on purpose."""

    async def hash(self, password: str) -> str:
        """Return a salted hash that names its parameters."""

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Return whether the password has this hash.

        None stands for an unknown user: it takes the same time as a wrong password.
        """

    def outdated(self, password_hash: str) -> bool:
        """Return whether the hash has other parameters than new ones get."""


class AccessTokenIssuer(Protocol):
    def issue(self, user: User, session: Session, now: datetime) -> AccessToken:
        """Return a signed token with the scopes of the session."""


class RefreshTokenMint(Protocol):
    """Makes refresh tokens: opaque strings of 256 bits."""

    def first(self) -> str:
        """Return a random token, for a new session."""

    def successor(self, token: str) -> str:
        """Return the token that follows `token`: always the same one."""

    def hash(self, token: str) -> bytes:
        """Return the form in which a token is stored."""


class CodeMint(Protocol):
    """Derives the codes in account mails from seeds and a secret, which is not stored with them."""

    def seed(self) -> bytes:
        """Return 32 random bytes, for a new mail."""

    def code(self, seed: bytes) -> str:
        """Return the code of a link: 256 bits, always the same for a seed."""

    def short_code(self, seed: bytes) -> str:
        """Return the code to type: 8 digits, always the same for a seed."""

    def hash(self, code: str) -> bytes:
        """Return the form in which the code of a link is stored."""


class DeviceTokens(Protocol):
    """Makes and recognises the tokens of devices that have signed in."""

    def issue(self, user: User, device_id: UUID) -> str:
        """Return the token of a device for a user, valid until the password is changed."""

    def device(self, token: str, user: User | None) -> UUID | None:
        """Return the id of the device. None if the token is not valid for this user.

        Takes as long without a user.
        """


class RevocationAnnouncer(Protocol):
    async def announce(self, session_ids: Sequence[UUID]) -> None:
        """Return when no process accepts tokens of these sessions any more."""


class Throttle(Protocol):
    """Limits attempts, across all processes."""

    async def take(self, *budgets: Budget) -> None:
        """Count one attempt in every budget. Raises TooManyAttempts, and then counts in none."""


EmailNormalizer = Callable[[str], str]
"""Returns an address in the form that is stored and compared.

Raises ValueError with a message to the client.
"""
