"""What the use cases need from the world."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from chassis.events import Event
from notifier.domain import (
    Delivery,
    Draft,
    EmailSettings,
    Mail,
    Notice,
    Outcome,
    Recipient,
    RejectedEvent,
    Tweet,
)

T = TypeVar("T")


class Inbox(Protocol):
    async def add(self, event_id: UUID, now: datetime) -> bool:
        """False for an event that has been handled."""


class RecipientRepository(Protocol):
    """Everybody who is known; of a deleted person, only that there was one."""

    async def hold(self, user_id: UUID) -> Recipient | None:
        """Lock the person until the transaction ends. Return None for a deleted one.

        Whoever is unknown is written down without settings: they are there, or nobody would have
        told of them.
        """

    async def register(self, recipient: Recipient) -> None:
        """Add the name, the address and, unless a choice is known that is as new, the settings.

        Does nothing for a deleted person.
        """

    async def settings(self, ids: Collection[UUID]) -> Mapping[UUID, EmailSettings]:
        """Of those whose settings are known."""

    async def change_settings(
        self, user_id: UUID, settings: EmailSettings, now: datetime
    ) -> datetime | None:
        """Remember the settings, also of an unknown person. Return the time of the change.

        It is later than that of the change before, whatever the clock says. None for a deleted
        person, of whom nothing is remembered.
        """

    async def known_after(self, user_id: UUID, limit: int) -> Sequence[Recipient]:
        """Return the next people by id of those whose settings are known."""

    async def delete(self, user_id: UUID, now: datetime) -> None:
        """Leaves only the fact that they were there; removes their tweets, deliveries, retweets."""


class AddressRepository(Protocol):
    """What is remembered of an address by its digest: it outlives every account."""

    async def unsubscribe(self, digest: bytes, now: datetime) -> None:
        """No account that has the address gets mail from now on."""

    async def resubscribe(self, digests: Collection[bytes]) -> None: ...

    async def rest(self, digest: bytes, until: datetime) -> None:
        """Remember that nothing is sent before `until`; an earlier time changes nothing."""

    async def resting_until(self, digests: Collection[bytes]) -> datetime | None: ...


class RetweetRepository(Protocol):
    """Tweets that mails are about, and who has retweeted them."""

    async def hold(self, tweet_id: UUID) -> None:
        """Until the transaction ends, whatever else happens to the tweet has to wait."""

    async def add_tweet(self, tweet: Tweet, now: datetime) -> bool:
        """False for a deleted tweet."""

    async def delete_tweet(self, tweet_id: UUID, now: datetime) -> None:
        """Leaves only the fact that it was there."""

    async def notice(self, tweet_id: UUID, retweeter_id: UUID) -> Notice | None: ...

    async def save(self, notice: Notice, now: datetime) -> None: ...


class DeliveryRepository(Protocol):
    async def add(self, delivery: Delivery) -> None: ...

    async def release(self, recipient_id: UUID, now: datetime) -> None:
        """Their address is known: what waited for it is due in its time, or now if that is past."""

    async def held(self, delivery_id: UUID) -> Delivery | None:
        """Nobody can take it until the transaction ends."""

    async def last_to(self, recipient_id: UUID) -> Delivery | None:
        """Return the newest that was not cancelled, locked until the transaction ends."""

    async def take(self, limit: int, *, now: datetime, until: datetime) -> Sequence[Delivery]:
        """Takes what is due: nobody else gets it before `until`. Counts the attempt."""

    async def next_due(self) -> datetime | None: ...

    async def waiting_since(self) -> datetime | None:
        """When the oldest that waits for an address was added."""

    async def drafts(self, ids: Collection[UUID]) -> Sequence[Draft]:
        """Of those that are there."""

    async def record(self, outcomes: Sequence[Outcome]) -> None:
        """What is sent stays sent; any other outcome gives way to a later attempt."""

    async def dead(self) -> Sequence[Delivery]: ...

    async def revive(self, delivery_id: UUID, now: datetime) -> bool:
        """Has a dead delivery tried again, as if for the first time. False if it is not dead."""

    async def cancel(self, delivery_id: UUID, reason: str) -> bool:
        """False if it was sent or cancelled before."""


class RejectedEventRepository(Protocol):
    async def add(self, event: RejectedEvent) -> None:
        """The same event is kept once."""

    async def all(self) -> Sequence[RejectedEvent]: ...

    async def remove(self, rejected_id: UUID) -> bool: ...


class EventOutbox(Protocol):
    async def add(self, event: Event) -> None:
        """Has the event published if, and only if, the unit of work is committed."""


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
    def events(self) -> EventOutbox: ...

    @property
    def rejected(self) -> RejectedEventRepository: ...

    async def purge(self, before: datetime) -> int:
        """Removes what nobody asks for any more: how many rows.

        Events of that time must be out of the streams. What was mailed is remembered.
        """


Work = Callable[[Repositories], Awaitable[T]]


class UnitOfWork(Protocol):
    async def transaction(self, work: Work[T]) -> T:
        """All of `work` or nothing. It may be run more than once."""

    async def read(self, work: Work[T]) -> T:
        """Runs `work` with each statement for itself."""


class Mailer(Protocol):
    async def send(self, mail: Mail) -> None:
        """Returns when a server has taken it.

        Raises MailRefused, MailDeferred or MailServerUnavailable.
        """


Write = Callable[[Draft], Mail]
"""Makes the mail of a draft that is not obsolete."""
