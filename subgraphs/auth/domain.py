"""Accounts and sessions, and the rules that hold for them whatever stores or shows them."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from subgraphs.auth.errors import InvalidInput, Problem

PASSWORD_LENGTH = range(8, 129)
"""Characters of a password after NFC normalisation (OWASP ASVS 2.1.1, 2.1.2)."""

LONGEST_INPUT = 4 * 128
"""Characters of a password or an address as they come in: four for each that can be left."""

_USERNAME = re.compile(r"[A-Za-z0-9_]{3,20}", re.ASCII)
_RESERVED = frozenset(
    """
    about account admin administrator anonymous api auth chirp contact everyone explorer
    graphql guest healthz help here home info login logout mail me moderator news nobody null
    official postmaster privacy root security settings sessions signin signout signup staff
    status support system team terms test tweet tweets undefined user username users verified
    webmaster www
    """.split()
)


@dataclass(frozen=True, slots=True)
class User:
    id: UUID
    username: str
    email: str
    password_hash: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EmailSettings:
    """What a person gets mail about: chosen at sign-up, changed in the notifier later.

    Kept here too, so that the notifier can be told again when its database is lost.
    """

    retweets: bool = False
    changed_at: datetime | None = None
    """When the notifier changed it, by its clock. None: as chosen at sign-up."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user with what other services learn of them."""

    user: User
    email_settings: EmailSettings


@dataclass(frozen=True, slots=True)
class DeletedUser:
    """What is left of a deleted account."""

    id: UUID
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class Device:
    """What a session was opened with: user agent and network address, as the edge saw them."""

    user_agent: str
    address: str


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in on one device. Tokens are views of it; without the row they are void."""

    id: UUID
    user_id: UUID
    scopes: frozenset[str]
    """Those it was opened with; tokens carry the `current_scopes`."""
    device: Device
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    all_scopes: bool | None = None
    """Whether it was opened for all scopes and not for a list; None where that is not stored."""

    def has_all_scopes(self, declared: frozenset[str]) -> bool:
        """Whether the session gets every scope that is declared, now and later.

        One of which only the scopes are stored does if they are all that there are.
        """
        return self.scopes >= declared if self.all_scopes is None else self.all_scopes

    def current_scopes(self, declared: frozenset[str]) -> frozenset[str]:
        """The scopes of tokens that are issued while `declared` are all that there are."""
        return declared if self.has_all_scopes(declared) else self.scopes & declared


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One link in a session's chain of refresh tokens; only its hash is known."""

    session_id: UUID
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed token and the moment from which it is worth nothing."""

    value: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session together with everything its owner needs to use it."""

    user: User
    session: Session
    access_token: AccessToken
    refresh_token: str


def username_problems(username: str) -> list[Problem]:
    if not _USERNAME.fullmatch(username):
        return [Problem("username", "Use 3 to 20 letters, digits or underscores.")]
    if username.lower() in _RESERVED:
        return [Problem("username", "This name is reserved.")]
    return []


def checked_username(text: str) -> str:
    """The text, if somebody may have it as username. Raises ValueError."""
    if not _USERNAME.fullmatch(text):
        raise ValueError("nobody is called that")
    return text


def normalized_password(password: str) -> str | None:
    """The form that is hashed: the same password typed on another keyboard is the same (NFC).

    None for what cannot be a password: it is longer than any has been before normalisation, which
    takes time that grows with the square of the length.
    """
    if len(password) > LONGEST_INPUT:
        return None
    return unicodedata.normalize("NFC", password)


def password_problems(password: str | None, *, username: str, email: str) -> list[Problem]:
    """What is wrong with a new password, given in its normalised form."""
    if password is None or len(password) not in PASSWORD_LENGTH:
        shortest, longest = PASSWORD_LENGTH.start, PASSWORD_LENGTH.stop - 1
        return [Problem("password", f"Use {shortest} to {longest} characters.")]
    if password.casefold() in {username.casefold(), email.casefold()}:
        return [Problem("password", "Do not use your username or e-mail address.")]
    return []


def checked_scopes(asked: list[str] | None, declared: frozenset[str]) -> frozenset[str] | None:
    """Return the scopes asked for, None for all. Raises InvalidInput."""
    if asked is None:
        return None
    if not asked or not declared.issuperset(asked):
        raise InvalidInput(
            [Problem("scopes", f"Ask for one or more of: {', '.join(sorted(declared))}.")]
        )
    return frozenset(asked)
