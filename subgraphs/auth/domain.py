"""Accounts, sessions and the rules that hold for them."""

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from subgraphs.auth.errors import InvalidInput, Problem

PASSWORD_LENGTH = range(8, 129)
"""Characters of a password after NFC normalisation (OWASP ASVS 5.0, 6.2.1 and 6.2.9)."""

CONTEXT_WORDS = frozenset(
    "account admin administrator auth login moderator password root support user welcome".split()
)
"""Words that are guessed first, beside the product's name and those of the account."""

MAX_INPUT_LENGTH = 4 * 128
"""Characters of a password or an address before NFC normalisation, which leaves one for four at
most. It takes time that grows with the square of the length, so longer text is not normalised."""

_MAX_USER_AGENT_LENGTH = 300
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
    """An account."""

    id: UUID
    username: str
    email: str
    password_hash: str
    """Empty while the account has no password, until it is reset."""
    created_at: datetime
    email_verified_at: datetime | None = None
    """When the address was proven, the last time. Each proof is later than the one before."""
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
    """To the address of sign-up, or again on request: prove it."""
    CHANGE_EMAIL = "change-email"
    """To the new address: prove it, and it becomes the account's."""
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


@dataclass(frozen=True, slots=True)
class Login:
    """A username or an e-mail address, in the form in which it is stored."""

    text: str

    @classmethod
    def parse(cls, text: str, normalize_email: Callable[[str], str]) -> "Login":
        """Read what a user typed, without the white space around it.

        Raises ValueError for a text that can be neither a username nor an address.
        """
        login = cls(text.strip())
        if login.is_email:
            return cls(normalize_email(login.text))
        if not _USERNAME.fullmatch(login.text):
            raise ValueError("not a username")
        return login

    @property
    def is_email(self) -> bool:
        """Whether this is an address. No username holds an @, so a login never names two users."""
        return "@" in self.text


@dataclass(frozen=True, slots=True)
class Password:
    """A password in the form that is hashed: NFC, which is the same on every keyboard."""

    text: str = field(repr=False)

    @classmethod
    def parse(cls, typed: str) -> "Password":
        """Normalise what a user typed.

        Text longer than MAX_INPUT_LENGTH stays as it is. No stored password is as long.
        """
        if len(typed) > MAX_INPUT_LENGTH:
            return cls(typed)
        return cls(unicodedata.normalize("NFC", typed))

    def problems(
        self,
        *,
        username: str,
        email: str,
        is_common: Callable[[str], bool],
        product: str = "",
    ) -> list[Problem]:
        """Return why an account may not have this password.

        `is_common` returns whether many accounts have it, or it has leaked: those are guessed
        first. `product` is the name that users know.
        """
        if len(self.text) not in PASSWORD_LENGTH:
            shortest, longest = PASSWORD_LENGTH.start, PASSWORD_LENGTH.stop - 1
            return [Problem("password", f"Password must be {shortest} to {longest} characters.")]
        if self.text.casefold() in {username.casefold(), email.casefold()}:
            return [Problem("password", "Password must not be your username or address.")]
        if is_common(self.text):
            message = "This password is among the most common ones. Choose another."
            return [Problem("password", message)]
        names = {*_words(username), *_words(email), *_words(product), *CONTEXT_WORDS}
        if self._consists_of(names):
            message = (
                "Password must not consist of your username, your address, the product's name or "
                "very common words alone. Add other words."
            )
            return [Problem("password", message)]
        return []

    def _consists_of(self, words: Collection[str]) -> bool:
        """Return whether the letters of the password are these words, one or several."""
        letters = "".join(c for c in self.text.casefold() if c.isalpha())
        ends = {0}
        """The positions up to which the letters are words."""
        for end in range(1, len(letters) + 1):
            if any(end - len(w) in ends and letters[:end].endswith(w) for w in words):
                ends.add(end)
        return bool(letters) and len(letters) in ends


@dataclass(frozen=True, slots=True)
class Limits:
    """How many attempts the use cases allow in each `period`."""

    mails_per_address: int = 5
    mails_per_network: int = 60
    codes_per_network: int = 60
    passwords_per_account: int = 10
    """By its signed-in user, by strangers together, and by each device that has signed in."""
    sign_ins_per_network: int = 100
    sign_ups_per_network: int = 150
    refreshes_per_network: int = 60
    """With an invalid refresh token. Those with a valid one are not limited."""
    period: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` attempts for `key` in any `period`, refilled evenly.

    A budget that was not used for a period admits `limit` attempts at once.
    """

    key: str = field(repr=False)
    """The kind and what it is about: "mail.address:ada@example.com". Never stored or logged."""
    limit: int
    period: timedelta

    def __post_init__(self) -> None:
        if self.limit < 1 or self.period <= timedelta():
            raise ValueError("a budget needs a positive limit and a positive period")

    @property
    def kind(self) -> str:
        """The part of the key before the colon, which may be shown."""
        return self.key.partition(":")[0]


def _words(text: str) -> set[str]:
    """Return the runs of letters in a text, and all its letters; those of one or two are none."""
    folded = text.casefold()
    found = {*re.findall(r"[^\W\d_]+", folded), "".join(c for c in folded if c.isalpha())}
    return {word for word in found if len(word) > 2}


def folded(login: str) -> str:
    """Return a login in lower case, as the database compares it.

    It makes an `i` of `\u0130`, of which Python's `lower` makes two characters.
    """
    return login.replace("\u0130", "i").lower()


def is_fictitious(address: str) -> bool:
    """Return whether an address is below the top-level domain `example`, which never exists.

    RFC 6761, 6.5. The prober's accounts have such addresses.
    """
    return address.lower().endswith(".example")


UNKNOWN_NETWORK = "unknown"


def network_of(address: str) -> str:
    """Return the network whose attempts are counted together.

    That is an IPv4 address by itself, and the /64 of an IPv6 address, which is what one customer
    has at least. Text that is no address is "unknown".
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return UNKNOWN_NETWORK
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))


def username_problems(username: str) -> list[Problem]:
    """Return why an account may not have this username."""
    if not _USERNAME.fullmatch(username):
        return [Problem("username", "Username must be 3 to 20 letters, digits or underscores.")]
    if username.lower() in _RESERVED:
        return [Problem("username", "This username is reserved. Choose another.")]
    return []


def checked_scopes(requested: list[str] | None, declared: frozenset[str]) -> frozenset[str] | None:
    """Return the requested scopes; None for all. Raises InvalidInput."""
    if requested is None:
        return None
    if not requested or not declared.issuperset(requested):
        known = ", ".join(sorted(declared))
        raise InvalidInput([Problem("scopes", f"Scopes must be one or more of: {known}.")])
    return frozenset(requested)
