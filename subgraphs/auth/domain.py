"""Accounts, sessions and the rules that hold for them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from subgraphs.auth.errors import InvalidInput, Problem

_MAX_USER_AGENT_LENGTH = 300


@dataclass(frozen=True, slots=True)
class User:
    """An account."""

    id: UUID
    username: str
    email: str
    password_hash: str
    """Empty while the account has no password, until it is reset."""
    created_at: datetime
    email_verified_at: datetime | None = None
    """When the address was verified, the last time. Each is later than the one before."""
    password_changed_at: datetime | None = None
    """None: the password is that of sign-up."""
    disabled_at: datetime | None = None
    """When an operator disabled the account: no session is opened and no code accepted then."""
    roles: frozenset[str] = frozenset()
    """The roles that an operator assigned. Every account has the role `user` besides."""

    @property
    def email_verified(self) -> bool:
        return self.email_verified_at is not None


@dataclass(frozen=True, slots=True)
class EmailSettings:
    """What a user gets mail about: chosen at sign-up, changed in the notifier later.

    Auth keeps a copy, from which a notifier that lost its database restores them.
    """

    retweets: bool = False
    changed_at: datetime | None = None
    """When the notifier changed them, by its clock. None: unchanged since sign-up."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user with the settings that other services need."""

    user: User
    email_settings: EmailSettings


@dataclass(frozen=True, slots=True)
class DeletedUser:
    """The remainder of a deleted account."""

    id: UUID
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class Device:
    """The user agent and the network address that opened a session, as the edge saw them."""

    user_agent: str
    address: str

    @classmethod
    def seen(cls, user_agent: str, address: str) -> "Device":
        """Return the device of a request; of a long user agent it keeps the beginning."""
        return cls(user_agent[:_MAX_USER_AGENT_LENGTH], address)


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in on one device. A token stands for a session, and is void without its row."""

    id: UUID
    user_id: UUID
    scopes: frozenset[str]
    """The scopes at sign-in. Tokens carry `current_scopes`."""
    device: Device
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    all_scopes: bool | None = None
    """Whether the session was opened for all scopes. False: for a list. None: not stored."""

    def has_all_scopes(self, allowed: frozenset[str]) -> bool:
        """Return whether the session gets every scope of its user, also those of later releases.

        `allowed` are those that the user's roles have now. A session for which this is not stored
        does if it has all of them.
        """
        return self.scopes >= allowed if self.all_scopes is None else self.all_scopes

    def current_scopes(self, allowed: frozenset[str]) -> frozenset[str]:
        """Return the scopes of tokens that are issued while the user's roles have `allowed`."""
        return allowed if self.has_all_scopes(allowed) else self.scopes & allowed


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One link in a session's chain of refresh tokens; only its hash is stored."""

    session_id: UUID
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed token and the time at which it expires."""

    value: str
    expires_at: datetime


class MailKind(StrEnum):
    """What an account mail says."""

    VERIFY_EMAIL = "verify-email"
    """To the address of sign-up, or again on request: verify it."""
    CHANGE_EMAIL = "change-email"
    """To the new address: verify it, and it becomes the account's."""
    RESET_PASSWORD = "reset-password"
    EMAIL_CHANGED = "email-changed"
    """To the previous address, with a code that takes it back."""
    PASSWORD_CHANGED = "password-changed"
    NEW_SIGN_IN = "new-sign-in"
    """After a sign-in on a device that has not signed in before."""
    ACCOUNT_DISABLED = "account-disabled"
    ACCOUNT_ENABLED = "account-enabled"
    SESSIONS_ENDED = "sessions-ended"
    """By an operator."""
    RESET_REQUIRED = "reset-required"
    ACCOUNT_DELETED = "account-deleted"
    """By an operator."""
    ROLES_CHANGED = "roles-changed"
    PASSWORD_BREACHED = "password-breached"
    """After a sign-in with a password that has leaked, once for each password."""

    @property
    def has_short_code(self) -> bool:
        return self in {self.VERIFY_EMAIL, self.CHANGE_EMAIL, self.RESET_PASSWORD}


SHORT_CODE_DIGITS = 8
MAX_CODE_ATTEMPTS = 5
"""Wrong short codes after which those of a mail are refused. The code in its link stays valid."""


@dataclass(frozen=True, slots=True)
class AccountMail:
    """A mail about an account, and the code in it. The code follows from `seed` and a secret.

    `user_id` is None in a mail about a password reset until the notifier fetches its content: only
    then is the account looked up. `hash` is that of the code in the link.
    """

    id: UUID
    kind: MailKind
    address: str
    user_id: UUID | None
    seed: bytes
    hash: bytes
    created_at: datetime
    expires_at: datetime | None = None
    """When the code expires. None: the mail was not sent yet, so its code does not exist."""
    attempts: int = 0
    """The number of wrong short codes."""
    username: str | None = None
    """Of a deleted account, which `user_id` cannot name."""
    user_agent: str | None = None
    """Of the sign-in that the mail reports, which was at `created_at`."""

    def is_valid(self, user: User, now: datetime) -> bool:
        """Return whether the code of this mail to `user` may be used."""
        return self.expires_at is not None and now < self.expires_at and self.is_current(user)

    def is_current(self, user: User) -> bool:
        """Return False if the mail was for the address of the account, which has another now.

        True for the other kinds: they go to a new or a previous address, or hold no code.
        """
        for_own_address = self.kind in {MailKind.VERIFY_EMAIL, MailKind.RESET_PASSWORD}
        return not for_own_address or self.address == user.email


@dataclass(frozen=True, slots=True)
class MailContent:
    """What an account mail says when it is sent; codes are empty in a mail that has none."""

    kind: MailKind
    address: str
    username: str
    code: str = field(default="", repr=False)
    short_code: str = field(default="", repr=False)
    valid_for: timedelta = timedelta()
    sign_in: "ReportedSignIn | None" = None


@dataclass(frozen=True, slots=True)
class ReportedSignIn:
    """A sign-in on a new device, as its mail names it. None: not known."""

    at: datetime
    browser: str | None
    system: str | None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session with the tokens to use it."""

    user: User
    session: Session
    access_token: AccessToken
    refresh_token: str
    device_token: str = field(repr=False)
    password_breached: bool = False
    """Whether the password of this sign-in is in a list of leaked ones."""


@dataclass(frozen=True, slots=True)
class NewPassword:
    """The outcome of a change of the password: the sessions that ended, and a new device token."""

    session_ids: Sequence[UUID]
    device_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reauthenticated:
    """The session that replaced another one, with the tokens to use it."""

    session: Session
    access_token: AccessToken
    refresh_token: str


def checked_scopes(requested: list[str] | None, declared: frozenset[str]) -> frozenset[str] | None:
    """Return the requested scopes; None for all. Raises InvalidInput."""
    if requested is None:
        return None
    if not requested or not declared.issuperset(requested):
        known = ", ".join(sorted(declared))
        raise InvalidInput([Problem("scopes", f"Scopes must be one or more of: {known}.")])
    return frozenset(requested)
