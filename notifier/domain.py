"""Recipients, retweets and deliveries, and the rules for when a mail is sent to whom."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class State(StrEnum):
    """The state of a delivery."""

    WAITING = "waiting"
    """It cannot be sent yet: the recipient's registration has not arrived, their address is not
    verified, or it is undeliverable."""
    PENDING = "pending"
    FAILED = "failed"
    """The last attempt failed; another one follows."""
    SENT = "sent"
    DEAD = "dead"
    """Given up. An operator can retry it."""
    CANCELLED = "cancelled"
    """The recipient no longer wants the mail, or it has nothing left to report."""


@dataclass(frozen=True, slots=True)
class EmailSettings:
    """The mails that a user gets. By default none.

    `unsubscribed` is true after the reader of the account's address has followed the link in a
    mail. While it is true, `retweets` is false, whatever the account asks for.
    """

    retweets: bool = False
    unsubscribed: bool = False
    undeliverable_since: datetime | None = None
    """When the mail server last refused the account's address for good. None once it is verified
    again."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A user, as far as known here: settings, address and its verification may arrive in any order.

    `settings` is None until they arrive: they may yet say that the user wants mail.
    """

    user_id: UUID
    settings: EmailSettings | None = None
    username: str | None = None
    email: str | None = None
    settings_changed_at: datetime | None = None
    """None if the settings are those of sign-up, or a release without this field changed them."""
    email_verified_at: datetime | None = None
    """When the user verified `email`. None: never."""

    @property
    def wait_reason(self) -> str | None:
        """Why mails about retweets must wait. None if they can be sent."""
        if self.email is None or self.settings is None:
            return "the registration has not arrived"
        if self.email_verified_at is None:
            return "the address is not verified"
        if self.settings.undeliverable_since:
            return "the address is undeliverable"
        return None


@dataclass(frozen=True, slots=True)
class Tweet:
    id: UUID
    author_id: UUID
    text: str


@dataclass(frozen=True, slots=True)
class Retweet:
    """The latest known retweet of one tweet by one user.

    `id` grows with each retweet of the tweet by that user. `delivery_id` is the mail that reports
    the retweet, None if no mail does.
    """

    id: UUID
    tweet_id: UUID
    retweeter_id: UUID
    username: str = ""
    undone: bool = False
    delivery_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class UnsubscribeLink:
    """The content of the link in a mail: the account that the mail was about, and its address.

    `address` is the digest of the address; None in a link of an earlier release.
    """

    user_id: UUID
    address: bytes | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One mail: about retweets to one user, or about an account.

    A mail about retweets has a recipient and its first tweet. As a digest it takes in further
    retweets until its first attempt. Its text never changes after that, because the server may have
    accepted the mail although the attempt failed.

    A mail about an account has only the id of the mail that auth has asked for. Nothing else about
    it is stored here: auth gives its address and its content when it is sent.
    """

    id: UUID
    event_id: UUID
    recipient_id: UUID | None
    tweet_id: UUID | None
    message_id: str
    digest: bool
    created_at: datetime
    due_at: datetime
    """When the mail is to be sent. While a process leases the delivery: when the lease ends."""
    state: State = State.PENDING
    attempts: int = 0
    first_leased_at: datetime | None = None
    """None before the first attempt."""
    sent_at: datetime | None = None
    last_error: str | None = None
    traceparent: str | None = None
    """The trace that the first attempt continues."""
    account_mail_id: UUID | None = None

    @property
    def takes_more(self) -> bool:
        """Whether a further retweet can join the mail."""
        untried = self.state in (State.WAITING, State.PENDING) and self.first_leased_at is None
        return self.digest and untried

    def window_end(self, window: timedelta) -> datetime:
        """Return the time before which no other mail goes to the recipient."""
        return (self.first_leased_at or self.due_at) + window


@dataclass(frozen=True, slots=True)
class ReportedTweet:
    """One tweet in a mail. `retweeters` counts all; `names` are the first few."""

    tweet: Tweet
    names: Sequence[str]
    retweeters: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A delivery with all that its mail would report if it were sent now.

    `tweets` and `retweeters` count all; `reported` are the most retweeted tweets, `names` the
    first few retweeters. A user who retweeted several of the tweets counts once. A mail about an
    account has none of these.
    """

    delivery: Delivery
    recipient: Recipient | None = None
    reported: Sequence[ReportedTweet] = ()
    tweets: int = 0
    names: Sequence[str] = ()
    retweeters: int = 0

    @property
    def cancel_reason(self) -> str | None:
        """Why the mail about retweets must not be sent. None if it is still wanted."""
        if self.recipient is None:
            return "the account is deleted"
        settings = self.recipient.settings
        if settings and settings.unsubscribed:
            return "the address is unsubscribed"
        if not (settings and settings.retweets):
            return "the recipient has opted out"
        if not (self.reported and self.retweeters):
            return "the retweets are undone or the tweets deleted"
        return None


class AccountMailKind(StrEnum):
    """What a mail about an account is for."""

    VERIFY_EMAIL = "verify-email"
    CHANGE_EMAIL = "change-email"
    RESET_PASSWORD = "reset-password"  # noqa: S105
    EMAIL_CHANGED = "email-changed"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105
    NEW_SIGN_IN = "new-sign-in"
    ACCOUNT_DISABLED = "account-disabled"
    ACCOUNT_ENABLED = "account-enabled"
    SESSIONS_ENDED = "sessions-ended"
    RESET_REQUIRED = "reset-required"
    ACCOUNT_DELETED = "account-deleted"
    PASSWORD_BREACHED = "password-breached"  # noqa: S105
    ROLES_CHANGED = "roles-changed"

    @property
    def ignores_refusals(self) -> bool:
        """Whether it is sent to an undeliverable address, too.

        The user has requested it and waits for it. Without it they could neither verify the address
        nor, with a forgotten password, sign in to do so.
        """
        return self in (
            AccountMailKind.VERIFY_EMAIL,
            AccountMailKind.CHANGE_EMAIL,
            AccountMailKind.RESET_PASSWORD,
        )


@dataclass(frozen=True, slots=True)
class AccountMail:
    """The content of a mail about an account. It must not be stored or logged: it has the code.

    `link_path` is below the public URL, empty for no link; `short_code` is empty for no code.
    `valid_for` is the time, from the fetch on, in which the code can be used.
    """

    kind: AccountMailKind
    address: str = field(repr=False)
    username: str = field(repr=False)
    link_path: str = field(repr=False)
    short_code: str = field(repr=False)
    valid_for: timedelta
    sign_in: "ReportedSignIn | None" = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ReportedSignIn:
    """A sign-in on a new device. The names are empty if they are not known."""

    at: datetime
    browser: str
    system: str


@dataclass(frozen=True, slots=True)
class Mail:
    """The content of a mail, before it is encoded for transport.

    `unsubscribe_url` is None for a mail that cannot be unsubscribed from.
    """

    message_id: str
    to: str = field(repr=False)
    to_name: str = field(repr=False)
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    unsubscribe_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one attempt at a delivery.

    `counts` is false for an attempt that does not count towards the limit.
    """

    delivery_id: UUID
    attempt: int
    state: State
    at: datetime
    due_at: datetime
    counts: bool = True
    error: str | None = None
    recipient_id: UUID | None = None
    """None for a mail about an account."""
    refused_address: str | None = field(default=None, repr=False)
    """The address that the mail server refused for good."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failed mail is retried, and after which wait."""

    attempts: int = 16
    base: timedelta = timedelta(seconds=30)
    cap: timedelta = timedelta(hours=1)

    def delay(self, attempt: int, chance: float) -> timedelta:
        """Return the wait after attempt 1, 2, …: exponential, up to half of it random.

        `chance` is a random number in [0, 1).
        """
        # The exponent is bounded because a timedelta overflows; 2**32 is beyond every cap.
        longest: timedelta = min(self.cap, self.base * (1 << min(attempt - 1, 32)))
        return longest * (0.5 + chance / 2)
