"""The tweets service's ports without any I/O."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from chassis.errors import SessionOver
from chassis.events import Event
from chassis.paging import Page, PageRequest
from chassis.ports import T
from chassis.text import count_characters, is_visible
from subgraphs.tweets.domain import Author, FeedItem, FeedPage, KnownTweet, Tweet
from subgraphs.tweets.ports import Repositories, UnitOfWork
from subgraphs.tweets.service import TweetService

Work = Callable[[Repositories], Awaitable[T]]

ADA = Author(UUID(int=0xADA), "ada")
BOB = Author(UUID(int=0xB0B), "bob")
CAT = Author(UUID(int=0xCA7), "cat")
NOBODY = UUID(int=0)


@dataclass
class FakeTweetRepository:
    rows: dict[UUID, Tweet] = field(default_factory=dict)
    keys: dict[tuple[UUID, str], UUID] = field(default_factory=dict)
    heads: dict[UUID, int] = field(default_factory=dict)
    places: dict[UUID, int] = field(default_factory=dict)
    closed: set[UUID] = field(default_factory=set)
    deleted: dict[UUID, str] = field(default_factory=dict)

    def copy(self) -> "FakeTweetRepository":
        return FakeTweetRepository(
            dict(self.rows),
            dict(self.keys),
            dict(self.heads),
            dict(self.places),
            set(self.closed),
            dict(self.deleted),
        )

    async def by_ids(self, ids: Collection[UUID]) -> Mapping[UUID, Tweet]:
        return {tweet_id: self._shown(tweet_id) for tweet_id in ids if tweet_id in self.rows}

    async def timelines(
        self, author_ids: Collection[UUID], page: PageRequest
    ) -> Mapping[UUID, Page[Tweet]]:
        return {author_id: self._timeline(author_id, page) for author_id in author_ids}

    async def retweeted(self, user_id: UUID, original_ids: Collection[UUID]) -> Collection[UUID]:
        return [i for i in original_ids if await self.retweet_by(user_id, i)]

    async def locked(self, tweet_id: UUID, by: UUID | None = None) -> Tweet | None:
        if tweet_id not in self.rows:
            return None
        self._require_account(by)
        return self._shown(tweet_id)

    async def add(self, tweet: Tweet, idempotency_key: str | None) -> tuple[Tweet, int | None]:
        self._require_account(tweet.author.id)
        if idempotency_key is not None:
            tweet_id = self.keys.setdefault((tweet.author.id, idempotency_key), tweet.id)
            if tweet_id != tweet.id:
                return self._shown(tweet_id), self.places.get(tweet_id)
        return tweet, self._add(tweet)

    async def retweet_by(self, user_id: UUID, original_id: UUID) -> Tweet | None:
        for tweet in self._retweets_of(original_id):
            if tweet.author.id == user_id:
                return self._shown(tweet.id)
        return None

    async def add_retweet(self, retweet: Tweet) -> tuple[Tweet, int | None]:
        if earlier := await self.retweet_by(retweet.author.id, retweet.original.id):
            return earlier, None
        self._require_account(retweet.author.id)
        self._count(retweet.original.id, 1)
        return retweet, self._add(retweet)

    async def remove(self, tweet: Tweet, event: Event) -> None:
        self.deleted[tweet.id] = event.to_json()
        for retweet in self._retweets_of(tweet.id):
            del self.rows[retweet.id]
        del self.rows[tweet.id]
        self.keys = {key: tweet_id for key, tweet_id in self.keys.items() if tweet_id != tweet.id}
        if tweet.retweet_of:
            self._count(tweet.original.id, -1)

    async def feed_heads(self, owner_ids: Collection[UUID]) -> Mapping[UUID, int]:
        known = self.heads.keys() - self.closed
        return {owner_id: self.heads[owner_id] for owner_id in owner_ids if owner_id in known}

    async def feed(self, owner_id: UUID, after: int, limit: int) -> FeedPage:
        if owner_id in self.closed:
            return FeedPage([], after, is_last=True)
        items = [
            FeedItem.of(self._shown(i), self.places[i])
            for i, t in self.rows.items()
            if t.original.author.id == owner_id and self.places.get(i, 0) > after
        ]
        items.sort(key=lambda item: item.position)
        if len(items) >= limit:
            return FeedPage(items[:limit], items[limit - 1].position, is_last=False)
        return FeedPage(items, self.heads.get(owner_id, after), is_last=True)

    async def close_author(self, user_id: UUID, now: datetime) -> None:
        self.closed.add(user_id)

    def _require_account(self, user_id: UUID | None) -> None:
        if user_id in self.closed:
            raise SessionOver

    async def known_after(self, tweet_id: UUID, limit: int) -> Sequence[KnownTweet]:
        living = [KnownTweet(i, self._shown(i), self.places.get(i)) for i in self.rows]
        deleted = [KnownTweet(i, None, None, event) for i, event in self.deleted.items()]
        known = sorted(living + deleted, key=lambda each: each.id)
        return [each for each in known if each.id > tweet_id][:limit]

    def _add(self, tweet: Tweet) -> int | None:
        owner = tweet.original.author
        self.rows[tweet.id] = tweet
        if (tweet.retweet_of and owner == tweet.author) or owner.id in self.closed:
            return None
        self.places[tweet.id] = self.heads[owner.id] = self.heads.get(owner.id, 0) + 1
        return self.places[tweet.id]

    def _shown(self, tweet_id: UUID) -> Tweet:
        tweet = self.rows[tweet_id]
        if tweet.retweet_of is None:
            return tweet
        original = self.rows[tweet.original.id]
        return tweet._replace(retweet_count=original.retweet_count, retweet_of=original)

    def _retweets_of(self, original_id: UUID) -> list[Tweet]:
        return [t for t in self.rows.values() if t.retweet_of and t.original.id == original_id]

    def _timeline(self, author_id: UUID, page: PageRequest) -> Page[Tweet]:
        ids = sorted((t.id for t in self.rows.values() if t.author.id == author_id), reverse=True)
        following = [i for i in ids if page.after is None or i < page.after]
        return Page(
            items=[self._shown(i) for i in following[: page.first]],
            has_next=len(following) > page.first,
            has_previous=len(following) < len(ids),
        )

    def _count(self, original_id: UUID, change: int) -> None:
        original = self.rows[original_id]
        self.rows[original_id] = original._replace(retweet_count=original.retweet_count + change)


@dataclass
class FakeEventOutbox:
    events: list[Event] = field(default_factory=list)

    async def add(self, event: Event) -> None:
        self.events.append(Event.from_json(event.to_json()))


@dataclass
class FakeRepositories:
    tweets: FakeTweetRepository = field(default_factory=FakeTweetRepository)
    events: FakeEventOutbox = field(default_factory=FakeEventOutbox)


@dataclass(repr=False)  # Hypothesis prints it for each example
class FakeUnitOfWork:
    repositories: FakeRepositories = field(default_factory=FakeRepositories)
    reads: int = 0

    async def transaction(self, work: Work[T]) -> T:
        # The first run is lost, as one that fails to serialise: the second must not notice.
        await work(FakeRepositories(self.repositories.tweets.copy()))
        return await work(self.repositories)

    async def read(self, work: Work[T]) -> T:
        self.reads += 1
        return await work(self.repositories)

    async def events(self) -> list[Event]:
        return self.repositories.events.events


@dataclass
class FakeEndedSessions:
    """Knows at once what a test says."""

    ended: set[str] = field(default_factory=set)
    known: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.known.set()

    @property
    def is_current(self) -> bool:
        return self.known.is_set()

    async def current(self) -> None:
        await self.known.wait()

    def has_ended(self, session_id: str) -> bool:
        return session_id in self.ended


def tweet_service(unit_of_work: UnitOfWork) -> TweetService:
    """The service with ids that count up and a clock that ticks a second each time."""
    ids, seconds = count(1), count()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return TweetService(
        unit_of_work=unit_of_work,
        count_characters=count_characters,
        is_visible=is_visible,
        now=lambda: start + timedelta(seconds=next(seconds)),
        new_id=lambda: UUID(int=next(ids)),
    )
