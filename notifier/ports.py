"""The interfaces that the use cases and the sender need."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from chassis import ports
from notifier.domain import (
    AccountMail,
    Delivery,
    Draft,
    EmailSettings,
    Mail,
    Outcome,
    Recipient,
    Retweet,
    Tweet,
)


class Inbox(Protocol):
    async def add(self, event_id: UUID, now: datetime) -> bool:
        """Remember an event. Return False if it was handled before."""


class RecipientRepository(Protocol):
    """Every known user. Of a deleted one, only the id and the time of the deletion."""

    async def lock(self, user_id: UUID) -> Recipient | None:
        """Lock the user until the transaction ends. Return None for a deleted user.

        Adds an unknown user, without settings: an event names them, so their registration follows.
        """

    async def get(self, user_id: UUID) -> Recipient | None:
        """Return what is known of the user. Return None for an unknown or deleted user."""

    async def merge(self, recipient: Recipient) -> None:
        """Add what an event says of a user to what is known of them. Fields may be None.

        Of settings and of verified addresses the newest wins. An unverified address gives way
        to a verified one, settings without a time to a change. Does nothing for a deleted user.
        """

    async def settings(self, ids: Collection[UUID]) -> Mapping[UUID, EmailSettings]:
        """Return the settings of those users whose settings are known."""

    async def change_settings(
        self, user_id: UUID, settings: EmailSettings, now: datetime
    ) -> datetime | None:
        """Save the settings, also of an unknown user. Return the time of the change.

        It is later than that of the change before, whatever the clock says. Returns None for a
        deleted user, for whom nothing is saved.
        """

    async def known_after(self, user_id: UUID, limit: int) -> Sequence[Recipient]:
        """Return the next users with known settings, by id."""

    async def delete(self, user_id: UUID, now: datetime) -> None:
        """Remove the user's data, tweets, deliveries and retweets; keep that they are deleted."""


class AddressRepository(Protocol):
    """Facts about an address, by its digest. They outlive every account with the address."""

    async def unsubscribe(self, digest: bytes, now: datetime) -> None:
        """Suppress mail to the address, for every account that has it."""

    async def resubscribe(self, digests: Collection[bytes]) -> None: ...

    async def set_window_end(self, digest: bytes, end: datetime) -> None:
        """Save when the window ends that a deleted account, or a changed address, leaves behind.

        No mail about retweets goes to the address before then. An earlier time has no effect.
        """

    async def window_end(self, digests: Collection[bytes]) -> datetime | None:
        """Return the time saved by `set_window_end`."""

    async def save_refusal(self, address: str, at: datetime) -> None:
        """Save that the mail server refused the address for good, which makes it undeliverable."""

    async def save_verification(self, address: str, at: datetime) -> None:
        """Save that its reader verified the address at `at`, which ends an earlier refusal."""

    async def undeliverable_since(self, address: str) -> datetime | None:
        """Return when the mail server last refused the address. None if it is deliverable."""


class RetweetRepository(Protocol):
    """Tweets that mails are about, and the latest retweet of each by each user."""

    async def lock(self, tweet_id: UUID) -> None:
        """Lock the tweet, known or not, until the transaction ends."""

    async def add_tweet(self, tweet: Tweet, now: datetime) -> bool:
        """Save the tweet. Return False for a deleted one."""

    async def delete_tweet(self, tweet_id: UUID, now: datetime) -> None:
        """Remove the tweet and its retweets; keep that it is deleted."""

    async def latest(self, tweet_id: UUID, retweeter_id: UUID) -> Retweet | None: ...

    async def save(self, retweet: Retweet, now: datetime) -> None: ...

    async def tweets_of(self, author_id: UUID, after: UUID, limit: int) -> Sequence[Tweet]:
        """Return the author's next tweets, by id."""

    async def of_retweeter(self, retweeter_id: UUID, after: UUID, limit: int) -> Sequence[Retweet]:
        """Return the user's retweets of the next tweets, by the id of the tweet."""


class DeliveryRepository(Protocol):
    async def add(self, delivery: Delivery) -> None: ...

    async def release(self, recipient_id: UUID, now: datetime) -> None:
        """Make waiting deliveries pending, due at their time or `now`, whichever is later."""

    async def postpone(self, recipient_id: UUID, until: datetime) -> None:
        """Let no unsent delivery to the user be due before `until`."""

    async def lock(self, delivery_id: UUID) -> Delivery | None:
        """Lock the delivery until the transaction ends: no process can lease it."""

    async def lock_last(self, recipient_id: UUID) -> Delivery | None:
        """Lock and return the recipient's newest delivery that is not cancelled."""

    async def of_recipient(self, recipient_id: UUID, after: UUID, limit: int) -> Sequence[Delivery]:
        """Return the next mails to the user, by id."""

    async def lease(
        self, limit: int, *, account_mails: int, now: datetime, until: datetime
    ) -> Sequence[UUID]:
        """Lease due deliveries and return their ids. Counts an attempt at each.

        Of `limit` at most `account_mails` are mails about accounts. Those come first, however many
        other deliveries have been due for longer. No other process gets a delivery before `until`.
        """

    async def next_due(self, *, account_mails: bool = True) -> datetime | None:
        """Return when the next delivery is due or its lease ends.

        `account_mails` false leaves out mails about accounts.
        """

    async def waiting_since(self) -> datetime | None:
        """Return when the oldest delivery was added whose recipient is not registered yet."""

    async def drafts(self, ids: Collection[UUID]) -> Sequence[Draft]:
        """Return the drafts of those deliveries that still exist."""

    async def save_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Save the results of attempts.

        A sent delivery stays sent. Any other outcome is ignored if a later attempt has begun. A
        delivery that waits after its first attempt, in which no server can have accepted it, takes
        in further retweets.
        """

    async def all_dead(self) -> Sequence[Delivery]:
        """Return every dead delivery, the oldest first."""

    async def dead(self, delivery_id: UUID) -> Delivery | None: ...

    async def revive(self, delivery_id: UUID, now: datetime) -> bool:
        """Make a dead delivery due, with all its attempts. Return False if it is not dead."""

    async def cancel(self, delivery_id: UUID, reason: str) -> bool:
        """Return False if the delivery is already sent or cancelled."""


class Repositories(Protocol):
    """All that one unit of work can reach."""

    @property
    def inbox(self) -> Inbox: ...

    @property
    def recipients(self) -> RecipientRepository: ...

    @property
    def addresses(self) -> AddressRepository: ...

    @property
    def retweets(self) -> RetweetRepository: ...

    @property
    def deliveries(self) -> DeliveryRepository: ...

    @property
    def events(self) -> ports.EventOutbox: ...

    async def purge(self, before: datetime) -> int:
        """Remove handled events, unsent mails and windows older than `before`; return the rows.

        Events that old must have left the streams. Sent mails about retweets are kept.
        """


UnitOfWork = ports.UnitOfWork[Repositories]


class Mailer(Protocol):
    async def send(self, mail: Mail) -> None:
        """Return once a server has accepted the mail.

        Raises AddressRefused, MailRefused, MailDeferred or MailServerUnavailable.
        """


class AccountMails(Protocol):
    async def fetch(self, mail_id: UUID) -> AccountMail:
        """Return the content of a mail that auth has asked for. Its code is valid from now on.

        Raises MailNotWanted, ContentUnavailable, ContentFailed or UnknownContent.
        """


Write = Callable[[Draft], Awaitable[Mail]]
"""Writes the mail of a draft.

Raises MailNotWanted or MailMustWait; for a mail about an account ContentUnavailable, ContentFailed
or UnknownContent, too.
"""
