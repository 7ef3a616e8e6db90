"""The notifier on fakes: its repositories in memory, a server that is a list, a clock."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from chassis.events import Event
from notifier.addresses import AddressDigests
from notifier.consumer import EventHandler
from notifier.dead_letters import DeadLetters
from notifier.domain import (
    Delivery,
    Draft,
    EmailSettings,
    Mail,
    Notice,
    Outcome,
    Recipient,
    RejectedEvent,
    RetryPolicy,
    Retweeted,
    State,
    Tweet,
    UnsubscribeLink,
)
from notifier.events import RetweetUndone, TweetDeleted, TweetRetweeted, UserDeleted, UserRegistered
from notifier.ports import T, UnitOfWork, Work
from notifier.rendering import LetterWriter
from notifier.sender import Pace, Sender
from notifier.service import NotifierService

UNSENT = {State.PENDING, State.FAILED}
MINUTE = timedelta(minutes=1)
DIGESTS = AddressDigests(["new" * 10, "old" * 10])


@dataclass
class _Tables:
    recipients: dict[UUID, Recipient] = field(default_factory=dict)
    deleted: set[UUID] = field(default_factory=set)
    unsubscribed: set[bytes] = field(default_factory=set)
    resting: dict[bytes, datetime] = field(default_factory=dict)
    tweets: dict[UUID, Tweet | None] = field(default_factory=dict)
    notices: dict[tuple[UUID, UUID], tuple[Notice, datetime]] = field(default_factory=dict)
    deliveries: dict[UUID, Delivery] = field(default_factory=dict)
    inbox: dict[UUID, datetime] = field(default_factory=dict)
    rejected: dict[UUID, RejectedEvent] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)


@dataclass
class FakeInbox:
    _tables: _Tables

    async def add(self, event_id: UUID, now: datetime) -> bool:
        return self._tables.inbox.setdefault(event_id, now) is now


@dataclass
class FakeAddressRepository:
    _tables: _Tables

    async def unsubscribe(self, digest: bytes, now: datetime) -> None:
        self._tables.unsubscribed.add(digest)

    async def resubscribe(self, digests: Collection[bytes]) -> None:
        self._tables.unsubscribed -= set(digests)

    async def rest(self, digest: bytes, until: datetime) -> None:
        resting = self._tables.resting
        resting[digest] = max(until, resting.get(digest, until))

    async def resting_until(self, digests: Collection[bytes]) -> datetime | None:
        resting = self._tables.resting
        return max((resting[digest] for digest in digests if digest in resting), default=None)


@dataclass
class FakeRecipientRepository:
    _tables: _Tables

    async def hold(self, user_id: UUID) -> Recipient | None:
        if user_id not in self._tables.recipients:
            self._save(Recipient(user_id))
        return self.known(user_id)

    def known(self, user_id: UUID) -> Recipient | None:
        """With what the reader of their address has decided."""
        person = self._tables.recipients.get(user_id)
        if person is None or person.settings is None:
            return person
        digests = DIGESTS.all(person.email) if person.email else ()
        vetoed = not self._tables.unsubscribed.isdisjoint(digests)
        wanted = person.settings.retweets
        return replace(person, settings=EmailSettings(wanted and not vetoed, vetoed))

    async def register(self, recipient: Recipient) -> None:
        earlier = self._tables.recipients.get(recipient.user_id)
        if earlier and earlier.settings and not _is_newer(recipient, earlier):
            at = earlier.settings_changed_at
            recipient = replace(recipient, settings=earlier.settings, settings_changed_at=at)
        self._save(recipient)

    async def settings(self, ids: Collection[UUID]) -> Mapping[UUID, EmailSettings]:
        known = [self.known(user_id) for user_id in ids]
        return {r.user_id: r.settings for r in known if r and r.settings}

    async def change_settings(
        self, user_id: UUID, settings: EmailSettings, now: datetime
    ) -> datetime | None:
        if user_id in self._tables.deleted:
            return None
        known = self._tables.recipients.get(user_id) or Recipient(user_id)
        if known.settings_changed_at:
            now = max(now, known.settings_changed_at + timedelta(microseconds=1))
        self._save(replace(known, settings=settings, settings_changed_at=now))
        return now

    async def known_after(self, user_id: UUID, limit: int) -> Sequence[Recipient]:
        people = self._tables.recipients.values()
        known = [r for r in people if r.user_id > user_id and r.settings]
        return sorted(known, key=lambda recipient: recipient.user_id)[:limit]

    async def delete(self, user_id: UUID, now: datetime) -> None:
        tables = self._tables
        tables.recipients.pop(user_id, None)
        tables.deleted.add(user_id)
        theirs = {t.id for t in tables.tweets.values() if t and t.author_id == user_id}
        for key in [k for k in tables.notices if k[0] in theirs or k[1] == user_id]:
            del tables.notices[key]
        for delivery in [d for d in tables.deliveries.values() if d.recipient_id == user_id]:
            del tables.deliveries[delivery.id]
        for tweet_id in theirs:
            del tables.tweets[tweet_id]

    def _save(self, recipient: Recipient) -> None:
        if recipient.user_id not in self._tables.deleted:
            self._tables.recipients[recipient.user_id] = recipient


def _is_newer(this: Recipient, that: Recipient) -> bool:
    """Whether its settings were changed later. Those of no known time were there first."""
    if this.settings_changed_at is None:
        return False
    return that.settings_changed_at is None or this.settings_changed_at > that.settings_changed_at


@dataclass
class FakeEventOutbox:
    _events: list[Event]

    async def add(self, event: Event) -> None:
        self._events.append(Event.from_json(event.to_json()))


@dataclass
class FakeRetweetRepository:
    _tables: _Tables

    async def hold(self, tweet_id: UUID) -> None: ...

    async def add_tweet(self, tweet: Tweet, now: datetime) -> bool:
        return self._tables.tweets.setdefault(tweet.id, tweet) is not None

    async def delete_tweet(self, tweet_id: UUID, now: datetime) -> None:
        self._tables.tweets[tweet_id] = None
        for key in [k for k in self._tables.notices if k[0] == tweet_id]:
            del self._tables.notices[key]

    async def notice(self, tweet_id: UUID, retweeter_id: UUID) -> Notice | None:
        return self._tables.notices.get((tweet_id, retweeter_id), (None,))[0]

    async def save(self, notice: Notice, now: datetime) -> None:
        self._tables.notices[notice.tweet_id, notice.retweeter_id] = notice, now


@dataclass
class FakeDeliveryRepository:
    _tables: _Tables

    async def add(self, delivery: Delivery) -> None:
        assert delivery.event_id not in {d.event_id for d in self._all()}
        self._save(delivery)

    async def release(self, recipient_id: UUID, now: datetime) -> None:
        for delivery in self._all():
            if delivery.recipient_id == recipient_id:
                due_at = max(delivery.due_at, now)
                self._change(delivery.id, {State.WAITING}, state=State.PENDING, due_at=due_at)

    async def held(self, delivery_id: UUID) -> Delivery | None:
        return self._tables.deliveries.get(delivery_id)

    async def last_to(self, recipient_id: UUID) -> Delivery | None:
        to_them = [d for d in self._all() if d.recipient_id == recipient_id]
        standing = [d for d in to_them if d.state is not State.CANCELLED]
        return max(standing, key=lambda d: d.id, default=None)

    async def take(self, limit: int, *, now: datetime, until: datetime) -> Sequence[Delivery]:
        due = sorted((d for d in self._unsent() if d.due_at <= now), key=lambda d: d.due_at)
        taken = [
            replace(d, attempts=d.attempts + 1, due_at=until, taken_at=d.taken_at or now)
            for d in due[:limit]
        ]
        for delivery in taken:
            self._save(delivery)
        return taken

    async def next_due(self) -> datetime | None:
        return min((d.due_at for d in self._unsent()), default=None)

    async def waiting_since(self) -> datetime | None:
        waiting = [d.created_at for d in self._all() if d.state is State.WAITING]
        return min(waiting, default=None)

    async def drafts(self, ids: Collection[UUID]) -> Sequence[Draft]:
        return [
            self._draft(self._tables.deliveries[i]) for i in ids if i in self._tables.deliveries
        ]

    def _draft(self, delivery: Delivery) -> Draft:
        tables = self._tables
        standing = sorted(
            (
                n
                for n, _ in tables.notices.values()
                if n.delivery_id == delivery.id and not n.undone
            ),
            key=lambda n: n.retweet_id,
        )
        retweeted = []
        for tweet_id in {notice.tweet_id for notice in standing}:
            names = [n.username for n in standing if n.tweet_id == tweet_id]
            if tweet := tables.tweets.get(tweet_id):
                retweeted.append(Retweeted(tweet, names[:2], len(names)))
        retweeted.sort(key=lambda of: (-of.retweeters, of.tweet.id))
        people = list(dict.fromkeys(n.retweeter_id for n in standing))
        first = {n.retweeter_id: n.username for n in reversed(standing)}
        return Draft(
            delivery=delivery,
            recipient=FakeRecipientRepository(tables).known(delivery.recipient_id),
            retweeted=retweeted[:5],
            tweets=len(retweeted),
            names=[first[person] for person in people[:2]],
            retweeters=len(people),
        )

    async def record(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            delivery = self._tables.deliveries.get(outcome.delivery_id)
            if delivery and (
                outcome.state is State.SENT
                or (delivery.state in UNSENT and delivery.attempts == outcome.attempt)
            ):
                self._save(
                    replace(
                        delivery,
                        state=outcome.state,
                        sent_at=outcome.at if outcome.state is State.SENT else None,
                        due_at=outcome.due_at,
                        last_error=outcome.error,
                        attempts=delivery.attempts - (not outcome.counts),
                    )
                )

    async def dead(self) -> Sequence[Delivery]:
        return sorted((d for d in self._all() if d.state is State.DEAD), key=lambda d: d.created_at)

    async def revive(self, delivery_id: UUID, now: datetime) -> bool:
        return self._change(delivery_id, {State.DEAD}, state=State.PENDING, attempts=0, due_at=now)

    async def cancel(self, delivery_id: UUID, reason: str) -> bool:
        return self._change(
            delivery_id,
            UNSENT | {State.WAITING, State.DEAD},
            state=State.CANCELLED,
            last_error=reason,
        )

    def _change(self, delivery_id: UUID, states: set[State], **changes: object) -> bool:
        delivery = self._tables.deliveries.get(delivery_id)
        if delivery is None or delivery.state not in states:
            return False
        self._save(replace(delivery, **changes))  # type: ignore[arg-type]
        return True

    def _all(self) -> list[Delivery]:
        return list(self._tables.deliveries.values())

    def _unsent(self) -> list[Delivery]:
        return [d for d in self._all() if d.state in UNSENT]

    def _save(self, delivery: Delivery) -> None:
        self._tables.deliveries[delivery.id] = delivery


@dataclass
class FakeRejectedEventRepository:
    _tables: _Tables

    async def add(self, event: RejectedEvent) -> None:
        self._tables.rejected.setdefault(event.id, event)

    async def all(self) -> Sequence[RejectedEvent]:
        return sorted(self._tables.rejected.values(), key=lambda e: e.rejected_at)

    async def remove(self, rejected_id: UUID) -> bool:
        return self._tables.rejected.pop(rejected_id, None) is not None


class FakeRepositories:
    def __init__(self, tables: _Tables) -> None:
        self.inbox = FakeInbox(tables)
        self.addresses = FakeAddressRepository(tables)
        self.recipients = FakeRecipientRepository(tables)
        self.retweets = FakeRetweetRepository(tables)
        self.deliveries = FakeDeliveryRepository(tables)
        self.rejected = FakeRejectedEventRepository(tables)
        self.events = FakeEventOutbox(tables.events)
        self._tables = tables

    async def purge(self, before: datetime) -> int:
        tables = self._tables
        events = [e for e, received_at in tables.inbox.items() if received_at < before]
        for event_id in events:
            del tables.inbox[event_id]
        deliveries = [
            d.id
            for d in tables.deliveries.values()
            if d.state in {State.CANCELLED, State.WAITING} and d.created_at < before
        ]
        for delivery_id in deliveries:
            del tables.deliveries[delivery_id]
        for key, (notice, noticed_at) in tables.notices.items():
            if notice.delivery_id in deliveries:
                tables.notices[key] = replace(notice, delivery_id=None), noticed_at
        notices = [
            key
            for key, (notice, noticed_at) in tables.notices.items()
            if notice.delivery_id is None and noticed_at < before
        ]
        for key in notices:
            del tables.notices[key]
        rested = [d for d, until in tables.resting.items() if until < before]
        for digest in rested:
            del tables.resting[digest]
        return len(events) + len(deliveries) + len(notices) + len(set(rested) - tables.unsubscribed)


@dataclass
class FakeUnitOfWork:
    """Runs one unit of work after the other on tables that roll back."""

    tables: _Tables = field(default_factory=_Tables)

    async def transaction(self, work: Work[T]) -> T:
        # The first run is lost, as one that fails to serialise: the second must not notice.
        await work(FakeRepositories(deepcopy(self.tables)))
        tables = deepcopy(self.tables)
        result = await work(FakeRepositories(tables))
        self.tables = tables
        return result

    async def read(self, work: Work[T]) -> T:
        return await work(FakeRepositories(self.tables))

    async def events(self) -> list[Event]:
        return self.tables.events


@dataclass
class FakeClock:
    now: datetime = field(default_factory=lambda: datetime(2026, 11, 1, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@dataclass
class FakeMailer:
    """Takes every mail; `answers` are raised, or called, for the next ones instead."""

    mails: list[Mail] = field(default_factory=list)
    tried: list[Mail] = field(default_factory=list)
    answers: list[Exception | Callable[[], object]] = field(default_factory=list)

    async def send(self, mail: Mail) -> None:
        self.tried.append(mail)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer:
            answer()
        self.mails.append(mail)


@dataclass(frozen=True)
class Person:
    id: UUID
    name: str


ADA, GRACE, JOAN, KEN = (
    Person(UUID(int=0xAAAA_0000 + number), name)
    for number, name in enumerate(("ada", "grace", "joan", "ken"))
)
CROWD = [Person(UUID(int=0xBBBB_0000 + number), f"user{number}") for number in range(43)]
TWEET = Tweet(UUID(int=0x7EE7), ADA.id, "Hello, world")
OTHER_TWEET = Tweet(UUID(int=0x7EE8), ADA.id, "Another")


def tweet_of(person: Person, number: int = 0) -> Tweet:
    return Tweet(UUID(int=person.id.int + 0x1000 * (number + 1)), person.id, f"tweet {number}")


def letter_writer() -> LetterWriter:
    return LetterWriter(
        "Chirp",
        "https://chirp.example/tweets/{id}",
        lambda user_id, _: f"https://chirp.example/unsubscribe/{user_id}",
    )


def address(person: Person) -> str:
    return f"{person.name}@example.com"


def link_to(person: Person) -> UnsubscribeLink:
    """What the link in a mail to them says."""
    return UnsubscribeLink(person.id, DIGESTS.of(address(person)))


async def _nothing_published() -> list[Event]:
    return []


@dataclass(repr=False)  # Hypothesis prints it for each example
class FakeNotifier:
    """All of the notifier but its edges, and the words to tell a story with."""

    unit_of_work: UnitOfWork = field(default_factory=FakeUnitOfWork)
    published: Callable[[], Awaitable[list[Event]]] = field(default=_nothing_published)
    """Gives the events in the outbox."""
    clock: FakeClock = field(default_factory=FakeClock)
    mailer: FakeMailer = field(default_factory=FakeMailer)
    pace: Pace = field(
        default_factory=lambda: Pace(RetryPolicy(attempts=3, base=2 * MINUTE, cap=10 * MINUTE))
    )
    service: NotifierService = field(init=False)
    sender: Sender = field(init=False)
    letters: DeadLetters = field(init=False)

    def __post_init__(self) -> None:
        if isinstance(self.unit_of_work, FakeUnitOfWork):
            self.published = self.unit_of_work.events
        self._ids = count(1)
        self.service = NotifierService(
            unit_of_work=self.unit_of_work,
            now=self.clock,
            new_id=self.new_id,
            digests=DIGESTS,
            window=10 * MINUTE,
            message_domain="chirp.example",
        )
        self.sender = self.another_sender()
        handler = EventHandler(self.service)
        self.letters = DeadLetters(
            self.unit_of_work, self.clock, lambda raw: handler.handle(Event.from_json(raw))
        )

    def another_sender(self, mailer: FakeMailer | None = None) -> Sender:
        """As another process would have."""
        return Sender(
            self.unit_of_work,
            mailer or self.mailer,
            letter_writer(),
            self.pace,
            now=self.clock,
            chance=lambda: 0.0,
        )

    def new_id(self) -> UUID:
        return UUID(int=next(self._ids))

    # -- what happens elsewhere ------------------------------------------------------------------

    async def registered(
        self, person: Person, *, retweets: bool = False, changed_at: datetime | None = None
    ) -> None:
        event = UserRegistered(person.id, person.name, address(person), retweets, changed_at)
        await self.service.handle(person.id, event)

    async def deleted(self, person: Person) -> None:
        await self.service.handle(self.new_id(), UserDeleted(person.id))

    def retweet(self, by: Person, tweet: Tweet = TWEET) -> TweetRetweeted:
        """One that has not been told yet."""
        return TweetRetweeted(self.new_id(), tweet.id, tweet.text, tweet.author_id, by.id, by.name)

    async def retweeted(self, by: Person, tweet: Tweet = TWEET) -> TweetRetweeted:
        event = self.retweet(by, tweet)
        await self.service.handle(self.new_id(), event)
        return event

    async def undone(self, retweet: TweetRetweeted) -> None:
        event = RetweetUndone(retweet.retweet_id, retweet.tweet_id, retweet.retweeter_id)
        await self.service.handle(self.new_id(), event)

    async def tweet_deleted(self, tweet: Tweet = TWEET) -> None:
        await self.service.handle(self.new_id(), TweetDeleted(tweet.id, tweet.author_id))

    async def unsubscribed(self, person: Person) -> None:
        await self.service.unsubscribe(link_to(person))

    # -- what happens here -----------------------------------------------------------------------

    async def sent(self) -> list[str]:
        """Sends what is due and gives the subjects of all mails so far."""
        await self.sender.deliver_due()
        return self.subjects

    async def later(self, by: timedelta) -> list[str]:
        self.clock.advance(by)
        return await self.sent()

    @property
    def subjects(self) -> list[str]:
        return [mail.subject for mail in self.mailer.mails]

    async def settings(self, person: Person) -> EmailSettings:
        return (await self.service.settings([person.id]))[person.id]

    async def wants_mail(self, person: Person) -> bool:
        return (await self.settings(person)).retweets

    async def dead(self) -> list[Delivery]:
        return list(await self.unit_of_work.read(lambda r: r.deliveries.dead()))
