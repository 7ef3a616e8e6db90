"""Security events: what happened to an account, when, and from where (docs/adr/0026)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from subgraphs.auth.domain import Device


class SecurityEventKind(StrEnum):
    """What happened. The values are stored, so they never change."""

    SIGNED_UP = "signed-up"
    SIGNED_IN = "signed-in"
    SIGNED_IN_ON_NEW_DEVICE = "signed-in-on-new-device"
    SIGN_IN_FAILED = "sign-in-failed"
    SIGN_IN_THROTTLED = "sign-in-throttled"
    REAUTHENTICATED = "reauthenticated"
    REAUTHENTICATION_FAILED = "reauthentication-failed"
    REAUTHENTICATION_THROTTLED = "reauthentication-throttled"
    SIGNED_OUT = "signed-out"
    SIGNED_OUT_EVERYWHERE = "signed-out-everywhere"
    SESSION_REVOKED = "session-revoked"
    REFRESH_TOKEN_REUSED = "refresh-token-reused"
    EMAIL_VERIFIED = "email-verified"
    EMAIL_CHANGE_REQUESTED = "email-change-requested"
    EMAIL_CHANGED = "email-changed"
    EMAIL_RESTORED = "email-restored"
    PASSWORD_BREACHED = "password-breached"
    PASSWORD_CHANGED = "password-changed"
    PASSWORD_RESET = "password-reset"
    ACCOUNT_DELETED = "account-deleted"
    ACCOUNT_VIEWED = "account-viewed"
    ACCOUNT_EXPORTED = "account-exported"
    ACCOUNT_DISABLED = "account-disabled"
    ACCOUNT_ENABLED = "account-enabled"
    SESSIONS_ENDED = "sessions-ended"
    RESET_REQUIRED = "reset-required"
    ROLES_CHANGED = "roles-changed"

    @property
    def description(self) -> str:
        """The event in a sentence for the account's owner."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    SecurityEventKind.SIGNED_UP: "The account was created.",
    SecurityEventKind.SIGNED_IN: "A session was opened with the password.",
    SecurityEventKind.SIGNED_IN_ON_NEW_DEVICE: "A session was opened with the password on a "
    "device that was not known.",
    SecurityEventKind.SIGN_IN_FAILED: "A sign-in was refused.",
    SecurityEventKind.SIGN_IN_THROTTLED: "Further sign-ins were refused after too many attempts.",
    SecurityEventKind.REAUTHENTICATED: "The password was typed again, and the session replaced.",
    SecurityEventKind.REAUTHENTICATION_FAILED: "A session was asked for the password again, and "
    "the answer was wrong.",
    SecurityEventKind.REAUTHENTICATION_THROTTLED: "Further attempts at the password in a session "
    "were refused.",
    SecurityEventKind.SIGNED_OUT: "A session signed out.",
    SecurityEventKind.SIGNED_OUT_EVERYWHERE: "A session ended all sessions.",
    SecurityEventKind.SESSION_REVOKED: "A session was ended from another one.",
    SecurityEventKind.REFRESH_TOKEN_REUSED: "A used refresh token was sent again, so it may have "
    "been stolen. Its session was ended.",
    SecurityEventKind.EMAIL_VERIFIED: "The address was verified.",
    SecurityEventKind.EMAIL_CHANGE_REQUESTED: "A change of the address was requested with the "
    "password.",
    SecurityEventKind.EMAIL_CHANGED: "The address was changed.",
    SecurityEventKind.EMAIL_RESTORED: "The previous address was taken back, and the password "
    "removed.",
    SecurityEventKind.PASSWORD_BREACHED: "The password was found among those that have leaked.",
    SecurityEventKind.PASSWORD_CHANGED: "The password was changed with the previous one.",
    SecurityEventKind.PASSWORD_RESET: "The password was changed with a mailed code.",
    SecurityEventKind.ACCOUNT_DELETED: "The account was deleted.",
    SecurityEventKind.ACCOUNT_VIEWED: "An operator looked at the account.",
    SecurityEventKind.ACCOUNT_EXPORTED: "An operator exported the account's data.",
    SecurityEventKind.ACCOUNT_DISABLED: "An operator disabled the account.",
    SecurityEventKind.ACCOUNT_ENABLED: "An operator enabled the account.",
    SecurityEventKind.SESSIONS_ENDED: "An operator ended all sessions.",
    SecurityEventKind.RESET_REQUIRED: "An operator removed the password and ended all sessions.",
    SecurityEventKind.ROLES_CHANGED: "An operator changed the roles and ended all sessions.",
}


class Reason(StrEnum):
    """Why an attempt was refused."""

    WRONG_PASSWORD = "wrong-password"
    NO_PASSWORD = "no-password"
    ACCOUNT_DISABLED = "account-disabled"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who causes an event: the session and the device of a request, or an operator.

    A sign-in has no session yet. Work that no request and no operator started has nothing.
    """

    device: Device | None = None
    session_id: UUID | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """An event of one account. It names no person: neither a username nor an address of mail."""

    id: UUID
    """A later event has a greater id, as far as the clocks of the processes agree."""
    user_id: UUID
    kind: SecurityEventKind
    at: datetime
    origin: Origin
    """Its session is the one that the event is about: opened, ended, or acting."""
    reason: str | None = None
    """A `Reason`, or the text that an operator gave. The latter is not shown to the owner."""


def first_id(at: datetime) -> UUID:
    """Return the smallest UUIDv7 of this millisecond; every later event has a greater id."""
    epoch = datetime.fromtimestamp(0, at.tzinfo)
    return UUID(int=(at - epoch) // timedelta(milliseconds=1) << 80)
