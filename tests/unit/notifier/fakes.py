"""Fakes of the notifier's ports: repositories in memory, a mail server, a clock."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Protocol, TypeVar
from uuid import UUID

from chassis import dead_letters
from chassis.dead_letters import DeadLetter, DeadLetterNotFoundError
from chassis.events import Event
from notifier.account_mails import AccountMailRenderer, mail_writer
from notifier.addresses import AddressDigests
from notifier.attempts import SendingPolicy
from notifier.dead_letters import DeadLetters
from notifier.domain import (
    AccountMail,
    AccountMailKind,
    Delivery,
    Draft,
    EmailSettings,
    Mail,
    Outcome,
    Recipient,
    ReportedTweet,
    RetryPolicy,
    Retweet,
    State,
    Tweet,
    UnsubscribeLink,
)
from notifier.ports import Repositories, UnitOfWork, Write
from notifier.rendering import RetweetMails
from notifier.sender import Sender
from notifier.service import NotifierService

T = TypeVar("T")
UNSENT = {State.PENDING, State.FAILED}
MINUTE = timedelta(minutes=1)
DIGESTS = AddressDigests(["new" * 10, "old" * 10])


@dataclass
class _Tables:
    recipients: dict[UUID, Recipient] = field(default_factory=dict)
    deleted: set[UUID] = field(default_factory=set)
    unsubscribed: set[bytes] = field(default_factory=set)
    refused: dict[bytes, datetime] = field(default_factory=dict)
    window_ends: dict[bytes, datetime] = field(default_factory=dict)
    tweets: dict[UUID, Tweet | None] = field(default_factory=dict)
    retweets: dict[tuple[UUID, UUID], tuple[Retweet, datetime]] = field(default_factory=dict)
    deliveries: dict[UUID, Delivery] = field(default_factory=dict)
    inbox: dict[UUID, datetime] = field(default_factory=dict)
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

    async def set_window_end(self, digest: bytes, end: datetime) -> None:
        ends = self._tables.window_ends
        ends[digest] = max(end, ends.get(digest, end))

    async def window_end(self, digests: Collection[bytes]) -> datetime | None:
        ends = self._tables.window_ends
        return max((ends[digest] for digest in digests if digest in ends), default=None)

    async def save_refusal(self, address: str, at: datetime) -> None:
        refused, digest = self._tables.refused, DIGESTS.of(address)
        refused[digest] = max(at, refused.get(digest, at))

    async def save_verification(self, address: str, at: datetime) -> None:
        refused = self._tables.refused
        for digest in DIGESTS.all(address):
            if digest in refused and refused[digest] < at:
                del refused[digest]

    async def undeliverable_since(self, address: str) -> datetime | None:
        refused = self._tables.refused
        return max((refused[d] for d in DIGESTS.all(address) if d in refused), default=None)


@dataclass
class FakeRecipientRepository:
    _tables: _Tables

    async def lock(self, user_id: UUID) -> Recipient | None:
        if user_id not in self._tables.recipients:
            self._save(Recipient(user_id))
        return self.known(user_id)

    def known(self, user_id: UUID) -> Recipient | None:
        """Return the user with the settings in effect."""
        user = self._tables.recipients.get(user_id)
        if user is None or user.settings is None:
            return user
        digests = DIGESTS.all(user.email) if user.email else ()
        suppressed = not self._tables.unsubscribed.isdisjoint(digests)
        refused = [self._tables.refused[d] for d in digests if d in self._tables.refused]
        wanted = user.settings.retweets
        in_effect = EmailSettings(wanted and not suppressed, suppressed, max(refused, default=None))
        return replace(user, settings=in_effect)

    async def get(self, user_id: UUID) -> Recipient | None:
        return self.known(user_id)

    async def merge(self, recipient: Recipient) -> None:
        earlier = self._tables.recipients.get(recipient.user_id) or Recipient(recipient.user_id)
        if earlier.settings and not (recipient.settings and _is_newer(recipient, earlier)):
            at = earlier.settings_changed_at
            recipient = replace(recipient, settings=earlier.settings, settings_changed_at=at)
        verified, known = recipient.email_verified_at, earlier.email_verified_at
        if known and not (verified and verified > known):
            recipient = replace(recipient, email=earlier.email, email_verified_at=known)
        self._save(replace(recipient, username=recipient.username or earlier.username))

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
        users = self._tables.recipients.values()
        known = [r for r in users if r.user_id > user_id and r.settings]
        return sorted(known, key=lambda recipient: recipient.user_id)[:limit]

    async def delete(self, user_id: UUID, now: datetime) -> None:
        tables = self._tables
        tables.recipients.pop(user_id, None)
        tables.deleted.add(user_id)
        theirs = {t.id for t in tables.tweets.values() if t and t.author_id == user_id}
        for key in [k for k in tables.retweets if k[0] in theirs or k[1] == user_id]:
            del tables.retweets[key]
        for delivery in [d for d in tables.deliveries.values() if d.recipient_id == user_id]:
            del tables.deliveries[delivery.id]
        for tweet_id in theirs:
            del tables.tweets[tweet_id]

    def _save(self, recipient: Recipient) -> None:
        if recipient.user_id not in self._tables.deleted:
            self._tables.recipients[recipient.user_id] = recipient


def _is_newer(this: Recipient, that: Recipient) -> bool:
    """Whether its settings were changed later. Settings without a time are the oldest."""
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

    async def lock(self, tweet_id: UUID) -> None: ...

    async def add_tweet(self, tweet: Tweet, now: datetime) -> bool:
        return self._tables.tweets.setdefault(tweet.id, tweet) is not None

    async def delete_tweet(self, tweet_id: UUID, now: datetime) -> None:
        self._tables.tweets[tweet_id] = None
        for key in [k for k in self._tables.retweets if k[0] == tweet_id]:
            del self._tables.retweets[key]

    async def latest(self, tweet_id: UUID, retweeter_id: UUID) -> Retweet | None:
        return self._tables.retweets.get((tweet_id, retweeter_id), (None,))[0]

    async def save(self, retweet: Retweet, now: datetime) -> None:
        self._tables.retweets[retweet.tweet_id, retweet.retweeter_id] = retweet, now

    async def tweets_of(self, author_id: UUID, after: UUID, limit: int) -> Sequence[Tweet]:
        tweets = [t for t in self._tables.tweets.values() if t and t.author_id == author_id]
        return sorted((t for t in tweets if t.id > after), key=lambda t: t.id)[:limit]

    async def of_retweeter(self, retweeter_id: UUID, after: UUID, limit: int) -> Sequence[Retweet]:
        retweets = [r for r, _ in self._tables.retweets.values() if r.retweeter_id == retweeter_id]
        following = (r for r in retweets if r.tweet_id > after)
        return sorted(following, key=lambda r: r.tweet_id)[:limit]


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

    async def postpone(self, recipient_id: UUID, until: datetime) -> None:
        for delivery in self._all():
            if delivery.recipient_id == recipient_id:
                due_at = max(delivery.due_at, until)
                self._change(delivery.id, UNSENT | {State.WAITING}, due_at=due_at)

    async def lock(self, delivery_id: UUID) -> Delivery | None:
        return self._tables.deliveries.get(delivery_id)

    async def lock_last(self, recipient_id: UUID) -> Delivery | None:
        to_them = [d for d in self._all() if d.recipient_id == recipient_id]
        standing = [d for d in to_them if d.state is not State.CANCELLED]
        return max(standing, key=lambda d: d.id, default=None)

    async def of_recipient(self, recipient_id: UUID, after: UUID, limit: int) -> Sequence[Delivery]:
        theirs = [d for d in self._all() if d.recipient_id == recipient_id and d.id > after]
        return sorted(theirs, key=lambda d: d.id)[:limit]

    async def lease(
        self, limit: int, *, account_mails: int, now: datetime, until: datetime
    ) -> Sequence[UUID]:
        due = sorted((d for d in self._unsent() if d.due_at <= now), key=lambda d: d.due_at)
        first = [d for d in due if d.account_mail_id][:account_mails]
        leased = [*first, *(d for d in due if not d.account_mail_id)][:limit]
        for d in leased:
            at = d.first_leased_at or now
            self._save(replace(d, attempts=d.attempts + 1, due_at=until, first_leased_at=at))
        return [delivery.id for delivery in leased]

    async def next_due(self, *, account_mails: bool = True) -> datetime | None:
        unsent = [d for d in self._unsent() if account_mails or not d.account_mail_id]
        return min((d.due_at for d in unsent), default=None)

    async def waiting_since(self) -> datetime | None:
        recipients = self._tables.recipients
        waiting = [d for d in self._all() if d.state is State.WAITING and d.recipient_id]
        return min(
            (
                d.created_at
                for d in waiting
                if d.recipient_id and recipients[d.recipient_id].username is None
            ),
            default=None,
        )

    async def drafts(self, ids: Collection[UUID]) -> Sequence[Draft]:
        return [
            self._draft(self._tables.deliveries[i]) for i in ids if i in self._tables.deliveries
        ]

    def _draft(self, delivery: Delivery) -> Draft:
        tables = self._tables
        retweets = sorted(
            (
                r
                for r, _ in tables.retweets.values()
                if r.delivery_id == delivery.id and not r.undone
            ),
            key=lambda r: r.id,
        )
        reported = []
        for tweet_id in {retweet.tweet_id for retweet in retweets}:
            names = [r.username for r in retweets if r.tweet_id == tweet_id]
            if tweet := tables.tweets.get(tweet_id):
                reported.append(ReportedTweet(tweet, names[:2], len(names)))
        reported.sort(key=lambda of: (-of.retweeters, of.tweet.id))
        users = list(dict.fromkeys(r.retweeter_id for r in retweets))
        first = {r.retweeter_id: r.username for r in reversed(retweets)}
        return Draft(
            delivery=delivery,
            recipient=(
                FakeRecipientRepository(tables).known(delivery.recipient_id)
                if delivery.recipient_id
                else None
            ),
            reported=reported[:5],
            tweets=len(reported),
            names=[first[user] for user in users[:2]],
            retweeters=len(users),
        )

    async def save_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            delivery = self._tables.deliveries.get(outcome.delivery_id)
            if delivery and (
                outcome.state is State.SENT
                or (delivery.state in UNSENT and delivery.attempts == outcome.attempt)
            ):
                waits = outcome.state is State.WAITING
                if waits and outcome.attempt == 1:
                    delivery = replace(delivery, first_leased_at=None)
                self._save(
                    replace(
                        delivery,
                        state=outcome.state,
                        digest=delivery.digest or waits,
                        sent_at=outcome.at if outcome.state is State.SENT else None,
                        due_at=outcome.due_at,
                        last_error=outcome.error,
                        attempts=delivery.attempts - (not outcome.counts),
                    )
                )

    async def dead(self, delivery_id: UUID) -> Delivery | None:
        delivery = self._tables.deliveries.get(delivery_id)
        return delivery if delivery and delivery.state is State.DEAD else None

    async def all_dead(self) -> Sequence[Delivery]:
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


class FakeRepositories:
    def __init__(self, tables: _Tables) -> None:
        self.inbox = FakeInbox(tables)
        self.addresses = FakeAddressRepository(tables)
        self.recipients = FakeRecipientRepository(tables)
        self.retweets = FakeRetweetRepository(tables)
        self.deliveries = FakeDeliveryRepository(tables)
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
            if (
                d.state in {State.CANCELLED, State.WAITING}
                or (d.state is State.SENT and d.account_mail_id)
            )
            and d.created_at < before
        ]
        for delivery_id in deliveries:
            del tables.deliveries[delivery_id]
        for key, (retweet, saved_at) in tables.retweets.items():
            if retweet.delivery_id in deliveries:
                tables.retweets[key] = replace(retweet, delivery_id=None), saved_at
        retweets = [
            key
            for key, (retweet, saved_at) in tables.retweets.items()
            if retweet.delivery_id is None and saved_at < before
        ]
        for key in retweets:
            del tables.retweets[key]
        ended = [digest for digest, end in tables.window_ends.items() if end < before]
        for digest in ended:
            del tables.window_ends[digest]
        windows = set(ended) - tables.unsubscribed - set(tables.refused)
        return len(events) + len(deliveries) + len(retweets) + len(windows)


@dataclass
class FakeUnitOfWork:
    """Runs one unit of work after the other on tables that roll back."""

    tables: _Tables = field(default_factory=_Tables)

    async def transaction(self, work: Callable[[Repositories], Awaitable[T]]) -> T:
        # The first run is rolled back, as after a deadlock. It must not affect the second run.
        await work(FakeRepositories(deepcopy(self.tables)))
        tables = deepcopy(self.tables)
        result = await work(FakeRepositories(tables))
        self.tables = tables
        return result

    async def read(self, work: Callable[[Repositories], Awaitable[T]]) -> T:
        return await work(FakeRepositories(self.tables))

    async def events(self) -> list[Event]:
        return self.tables.events


class RejectedEvents(dead_letters.DeadLetters, Protocol):
    async def add(self, text: str, reason: str) -> None: ...


class FakeRejectedEvents:
    """Rejected events in memory; the id of one is its text."""

    def __init__(self) -> None:
        self._letters: dict[str, DeadLetter] = {}

    async def add(self, text: str, reason: str) -> None:
        self._letters[text] = DeadLetter(text, "event", datetime.now(UTC), reason, text)

    async def all(self) -> Sequence[DeadLetter]:
        return list(self._letters.values())

    async def get(self, letter_id: str) -> DeadLetter:
        if letter_id not in self._letters:
            raise DeadLetterNotFoundError(letter_id)
        return self._letters[letter_id]

    async def retry(self, letter_id: str) -> None:
        await self.drop(letter_id)

    async def drop(self, letter_id: str) -> None:
        await self.get(letter_id)
        del self._letters[letter_id]


@dataclass
class FakeClock:
    now: datetime = field(default_factory=lambda: datetime(2026, 11, 1, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@dataclass
class FakeMailer:
    """Accepts every mail. Each of `answers` is raised, or called, for one of the next mails."""

    mails: list[Mail] = field(default_factory=list)
    attempts: list[Mail] = field(default_factory=list)
    answers: list[Exception | Callable[[], object]] = field(default_factory=list)

    async def send(self, mail: Mail) -> None:
        self.attempts.append(mail)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer:
            answer()
        self.mails.append(mail)


@dataclass
class FakeAccountMails:
    """Auth as the sender of mails about accounts sees it: the next answer to each mail's id."""

    mails: dict[UUID, AccountMail | Exception] = field(default_factory=dict)
    fetched: list[UUID] = field(default_factory=list)
    outage: Exception | None = None

    async def fetch(self, mail_id: UUID) -> AccountMail:
        self.fetched.append(mail_id)
        if self.outage:
            raise self.outage
        mail = self.mails[mail_id]
        if isinstance(mail, Exception):
            raise mail
        return mail


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


def retweet_mails() -> RetweetMails:
    return RetweetMails(
        "Chirp",
        "https://chirp.example/tweets/{id}",
        lambda user_id, _: f"https://chirp.example/unsubscribe/{user_id}",
    )


def account_mail(
    to: Person = ADA, kind: AccountMailKind = AccountMailKind.RESET_PASSWORD, **changes: Any
) -> AccountMail:
    mail = AccountMail(
        kind=kind,
        address=address(to),
        username=to.name,
        link_path="/account/reset-password?code=c0de",
        short_code="12345678",
        valid_for=10 * MINUTE,
    )
    return replace(mail, **changes)


def address(person: Person) -> str:
    return f"{person.name}@example.com"


def link_to(person: Person) -> UnsubscribeLink:
    """Return the content of the link in a mail to the person."""
    return UnsubscribeLink(person.id, DIGESTS.of(address(person)))


async def _no_events() -> list[Event]:
    return []


@dataclass(repr=False)  # Hypothesis would print it for each example
class FakeNotifier:
    """The service and a sender on any unit of work, with a fake clock and mail server."""

    unit_of_work: UnitOfWork = field(default_factory=FakeUnitOfWork)
    published: Callable[[], Awaitable[list[Event]]] = field(default=_no_events)
    """Returns the events in the outbox."""
    clock: FakeClock = field(default_factory=FakeClock)
    mailer: FakeMailer = field(default_factory=FakeMailer)
    policy: SendingPolicy = field(
        default_factory=lambda: SendingPolicy(
            RetryPolicy(attempts=3, base=2 * MINUTE, cap=10 * MINUTE)
        )
    )
    account_mails: FakeAccountMails = field(default_factory=FakeAccountMails)
    rejected_events: RejectedEvents = field(default_factory=FakeRejectedEvents)
    service: NotifierService = field(init=False)
    sender: Sender = field(init=False)
    dead_letters: DeadLetters = field(init=False)

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
        self.dead_letters = DeadLetters(self.unit_of_work, self.rejected_events, self.clock)

    def another_sender(self, mailer: FakeMailer | None = None) -> Sender:
        """Return the sender of another process."""
        return Sender(
            self.unit_of_work,
            mailer or self.mailer,
            self.write,
            self.policy,
            now=self.clock,
            chance=lambda: 0.0,
        )

    @property
    def write(self) -> Write:
        return mail_writer(
            retweet_mails(),
            self.account_mails,
            AccountMailRenderer("Chirp", "https://chirp.example"),
            lambda address: self.unit_of_work.read(
                lambda r: r.addresses.undeliverable_since(address)
            ),
        )

    def forget_all(self) -> None:
        """Empty the tables of the fake, which takes long to copy many rows."""
        if isinstance(self.unit_of_work, FakeUnitOfWork):
            self.unit_of_work.tables = _Tables()

    def new_id(self) -> UUID:
        return UUID(int=next(self._ids))

    # -- events of other services ----------------------------------------------------------------

    async def registered(
        self,
        person: Person,
        *,
        retweets: bool = False,
        changed_at: datetime | None = None,
        verified: bool = True,
    ) -> None:
        verified_at = self.clock.now if verified else None
        settings = EmailSettings(retweets)
        user = Recipient(person.id, settings, person.name, address(person), changed_at, verified_at)
        await self.service.save_user(person.id, user)

    async def verified(
        self, person: Person, email: str | None = None, *, ago: timedelta = timedelta()
    ) -> None:
        """Handle a verification of an address, by default of the person's."""
        at = self.clock.now - ago
        user = Recipient(person.id, email=email or address(person), email_verified_at=at)
        await self.service.save_user(self.new_id(), user)

    async def asked(self, mail: AccountMail | Exception) -> UUID:
        """Handle auth's request for a mail about an account. Return the mail's id."""
        mail_id = self.new_id()
        self.account_mails.mails[mail_id] = mail
        await self.service.add_account_mail(self.new_id(), mail_id)
        return mail_id

    async def deleted(self, person: Person) -> None:
        await self.service.forget_user(self.new_id(), person.id)

    def retweet(self, by: Person, tweet: Tweet = TWEET) -> Retweet:
        """Return a retweet whose event has not been handled."""
        return Retweet(self.new_id(), tweet.id, by.id, by.name)

    async def retweeted(self, by: Person, tweet: Tweet = TWEET) -> Retweet:
        retweet = self.retweet(by, tweet)
        await self.service.report_retweet(self.new_id(), tweet, retweet)
        return retweet

    async def undone(self, retweet: Retweet) -> None:
        await self.service.undo_retweet(self.new_id(), undone(retweet))

    async def tweet_deleted(self, tweet: Tweet = TWEET) -> None:
        await self.service.forget_tweet(self.new_id(), tweet.id)

    async def unsubscribed(self, person: Person) -> None:
        await self.service.unsubscribe(link_to(person))

    # -- mails -----------------------------------------------------------------------------------

    async def sent(self) -> list[str]:
        """Send what is due. Return the subjects of all mails so far."""
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
        return list(await self.unit_of_work.read(lambda r: r.deliveries.all_dead()))


def undone(retweet: Retweet) -> Retweet:
    """Return the retweet as the event of its undoing has it."""
    return Retweet(retweet.id, retweet.tweet_id, retweet.retweeter_id, undone=True)
