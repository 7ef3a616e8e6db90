"""Recipients, retweets and deliveries, and the rules for what is sent to whom and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class State(StrEnum):
    """What has become of a delivery."""

    WAITING = "waiting"  # for the recipient's address
    PENDING = "pending"
    FAILED = "failed"  # and will be tried again
    SENT = "sent"
    DEAD = "dead"  # given up; a person may have it tried again
    CANCELLED = "cancelled"  # nobody wants it any more


@dataclass(frozen=True, slots=True)
class EmailSettings:
    """What a person gets mail about: nothing, until they ask for it.

    `unsubscribed` means that the reader of their address has unsubscribed it by the link in a
    mail. As long as that holds, `retweets` is false whatever the account asks for.
    """

    retweets: bool = False
    unsubscribed: bool = False


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody as far as known here: their settings may come before their address.

    `settings` are None until they have been heard of: perhaps they asked for mail at sign-up.
    """

    user_id: UUID
    settings: EmailSettings | None = None
    username: str | None = None
    email: str | None = None
    settings_changed_at: datetime | None = None
    """When the settings were changed here. None: as chosen at sign-up, or in an older release."""


@dataclass(frozen=True, slots=True)
class Tweet:
    id: UUID
    author_id: UUID
    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """The last that is known of one person's retweets of one tweet.

    `retweet_id` grows with each time they retweet it. `delivery_id` is the mail that tells of it,
    None if no mail does.
    """

    tweet_id: UUID
    retweeter_id: UUID
    retweet_id: UUID
    username: str = ""
    undone: bool = False
    delivery_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class UnsubscribeLink:
    """What the link in a mail says: whose account the mail was about, and where it went.

    `address` is the digest of the mail's address; None in a link of an earlier release.
    """

    user_id: UUID
    address: bytes | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One mail to one person about retweets of their tweets; `tweet_id` is the first of these.

    A digest takes in further retweets until it is sent for the first time; from then on what it
    says stays the same, since the server may have accepted it without our knowing.
    """

    id: UUID
    event_id: UUID
    recipient_id: UUID
    tweet_id: UUID
    message_id: str
    digest: bool
    created_at: datetime
    due_at: datetime
    state: State = State.PENDING
    attempts: int = 0
    taken_at: datetime | None = None
    sent_at: datetime | None = None
    last_error: str | None = None
    traceparent: str | None = None
    """The trace in which it came to be."""

    @property
    def takes_more(self) -> bool:
        not_tried = self.state in (State.WAITING, State.PENDING) and self.taken_at is None
        return self.digest and not_tried

    def window_ends(self, window: timedelta) -> datetime:
        """Return until when nothing else is sent to the recipient."""
        return (self.taken_at or self.due_at) + window


@dataclass(frozen=True, slots=True)
class Retweeted:
    """One tweet in a mail; `names` are the first few of its `retweeters`."""

    tweet: Tweet
    names: Sequence[str]
    retweeters: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A delivery with everything that it would say if it were sent now.

    `retweeted` are the most retweeted of its `tweets`, `names` the first few of its `retweeters`,
    who are counted once however many of the tweets they have retweeted.
    """

    delivery: Delivery
    recipient: Recipient | None
    retweeted: Sequence[Retweeted]
    tweets: int
    names: Sequence[str]
    retweeters: int

    @property
    def obsolete(self) -> str | None:
        """Why it should not be sent any more, if it should not."""
        if self.recipient is None:
            return "the account was deleted"
        settings = self.recipient.settings
        if settings and settings.unsubscribed:
            return "the address has unsubscribed"
        if not (settings and settings.retweets):
            return "opted out"
        if not (self.retweeted and self.retweeters):
            return "the retweets were undone or the tweets deleted"
        return None


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it is handed to a server, whatever is done with it on the way."""

    message_id: str
    to: str
    to_name: str
    subject: str
    text: str
    html: str
    unsubscribe_url: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt at a delivery came to."""

    delivery_id: UUID
    attempt: int
    state: State
    at: datetime
    due_at: datetime
    counts: bool = True
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """An event that could not be handled, word for word, and why."""

    id: UUID
    raw: str
    reason: str
    rejected_at: datetime


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a mail that was not taken is tried again, and how often."""

    attempts: int = 16
    base: timedelta = timedelta(seconds=30)
    cap: timedelta = timedelta(hours=1)

    def delay(self, attempt: int, chance: float) -> timedelta:
        """The wait after attempt 1, 2, …; `chance` in [0, 1) keeps retries from coming together."""
        # A timedelta has an end; 2**32 of anything is beyond every cap.
        longest: timedelta = min(self.cap, self.base * (1 << min(attempt - 1, 32)))
        return longest * (0.5 + chance / 2)
