"""Fakes of the tweets service's ports, without I/O."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from chassis.errors import SessionEnded
from chassis.events import Event
from chassis.paging import Page, PageRequest
from chassis.ports import T
from chassis.text import count_characters, is_visible
from subgraphs.tweets.domain import Addition, Author, FeedItem, FeedPage, SnapshotEntry, Tweet
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
    positions: dict[UUID, int] = field(default_factory=dict)
    closed: set[UUID] = field(default_factory=set)
    deleted: dict[UUID, str] = field(default_factory=dict)

    def copy(self) -> "FakeTweetRepository":
        return FakeTweetRepository(**{name: value.copy() for name, value in vars(self).items()})

    async def by_ids(self, ids: Collection[UUID]) -> Mapping[UUID, Tweet]:
        return {tweet_id: self.shown(tweet_id) for tweet_id in ids if tweet_id in self.rows}

    async def timelines(
        self, author_ids: Collection[UUID], page: PageRequest
    ) -> Mapping[UUID, Page[Tweet]]:
        return {author_id: self._timeline(author_id, page) for author_id in author_ids}

    async def retweeted(self, user_id: UUID, original_ids: Collection[UUID]) -> Collection[UUID]:
        return [i for i in original_ids if await self.retweet_by(user_id, i)]

    async def lock(self, tweet_id: UUID, by: UUID | None = None) -> Tweet | None:
        if tweet_id not in self.rows:
            return None
        self._require_account(by)
        return self.shown(tweet_id)

    async def add(self, tweet: Tweet, idempotency_key: str | None) -> Addition:
        self._require_account(tweet.author.id)
        if idempotency_key is not None:
            tweet_id = self.keys.setdefault((tweet.author.id, idempotency_key), tweet.id)
            if tweet_id != tweet.id:
                return Addition(self.shown(tweet_id), is_new=False)
        return self._add(tweet)

    async def retweet_by(self, user_id: UUID, original_id: UUID) -> Tweet | None:
        for tweet in self._retweets_of(original_id):
            if tweet.author.id == user_id:
                return self.shown(tweet.id)
        return None

    async def add_retweet(self, retweet: Tweet) -> Addition:
        if earlier := await self.retweet_by(retweet.author.id, retweet.original.id):
            return Addition(earlier, is_new=False)
        self._require_account(retweet.author.id)
        self._count(retweet.original.id, 1)
        return self._add(retweet)

    async def remove(self, tweet: Tweet, event: Event) -> None:
        self.deleted[tweet.id] = event.to_json()
        for retweet in self._retweets_of(tweet.id):
            del self.rows[retweet.id]
        del self.rows[tweet.id]
        self.keys = {key: tweet_id for key, tweet_id in self.keys.items() if tweet_id != tweet.id}
        if tweet.retweet_of:
            self._count(tweet.original.id, -1)

    async def known_after(self, tweet_id: UUID, limit: int) -> Sequence[SnapshotEntry]:
        existing = [SnapshotEntry(i, self.shown(i), self.positions.get(i)) for i in self.rows]
        deleted = [SnapshotEntry(i, None, None, event) for i, event in self.deleted.items()]
        entries = sorted(existing + deleted, key=lambda entry: entry.id)
        return [entry for entry in entries if entry.id > tweet_id][:limit]

    def shown(self, tweet_id: UUID) -> Tweet:
        tweet = self.rows[tweet_id]
        if tweet.retweet_of is None:
            return tweet
        return self.rows[tweet.original.id].as_retweet(tweet.id, tweet.author, tweet.created_at)

    def _require_account(self, user_id: UUID | None) -> None:
        if user_id in self.closed:
            raise SessionEnded

    def _add(self, tweet: Tweet) -> Addition:
        owner = tweet.original.author
        self.rows[tweet.id] = tweet
        if (tweet.retweet_of and owner == tweet.author) or owner.id in self.closed:
            return Addition(tweet, is_new=True)
        self.positions[tweet.id] = self.heads[owner.id] = self.heads.get(owner.id, 0) + 1
        return Addition(tweet, is_new=True, feed_position=self.positions[tweet.id])

    def _retweets_of(self, original_id: UUID) -> list[Tweet]:
        return [t for t in self.rows.values() if t.retweet_of and t.original.id == original_id]

    def _timeline(self, author_id: UUID, page: PageRequest) -> Page[Tweet]:
        ids = sorted((t.id for t in self.rows.values() if t.author.id == author_id), reverse=True)
        following = [i for i in ids if page.after is None or i < page.after]
        return Page(
            items=[self.shown(i) for i in following[: page.first]],
            has_next=len(following) > page.first,
            has_previous=len(following) < len(ids),
        )

    def _count(self, original_id: UUID, change: int) -> None:
        original = self.rows[original_id]
        self.rows[original_id] = replace(original, retweet_count=original.retweet_count + change)


@dataclass
class FakeFeedRepository:
    """Reads the feeds from the repository of tweets, as the SQL one does from its table."""

    tweets: FakeTweetRepository

    async def heads(self, owner_ids: Collection[UUID]) -> Mapping[UUID, int]:
        known = self.tweets.heads.keys() - self.tweets.closed
        return {i: self.tweets.heads[i] for i in owner_ids if i in known}

    async def page(self, owner_id: UUID, after: int, limit: int) -> FeedPage:
        if owner_id in self.tweets.closed:
            return FeedPage([], after, is_last=True)
        positions = self.tweets.positions
        items = [
            FeedItem.of(self.tweets.shown(i), positions[i])
            for i, tweet in self.tweets.rows.items()
            if tweet.original.author.id == owner_id and positions.get(i, 0) > after
        ]
        items.sort(key=lambda item: item.position)
        if len(items) >= limit:
            return FeedPage(items[:limit], items[limit - 1].position, is_last=False)
        return FeedPage(items, self.tweets.heads.get(owner_id, after), is_last=True)

    async def is_closed(self, owner_id: UUID) -> bool:
        return owner_id in self.tweets.closed

    async def close(self, owner_id: UUID, now: datetime) -> None:
        self.tweets.closed.add(owner_id)


@dataclass
class FakeEventOutbox:
    events: list[Event] = field(default_factory=list)

    async def add(self, event: Event) -> None:
        self.events.append(Event.from_json(event.to_json()))


@dataclass
class FakeRepositories:
    tweets: FakeTweetRepository = field(default_factory=FakeTweetRepository)
    events: FakeEventOutbox = field(default_factory=FakeEventOutbox)

    @property
    def feeds(self) -> FakeFeedRepository:
        return FakeFeedRepository(self.tweets)


@dataclass(repr=False)  # Hypothesis prints it for each example
class FakeUnitOfWork:
    repositories: FakeRepositories = field(default_factory=FakeRepositories)
    reads: int = 0

    async def transaction(self, work: Work[T]) -> T:
        # A first run is rolled back, as after a deadlock: the second run must not notice.
        await work(FakeRepositories(self.repositories.tweets.copy()))
        return await work(self.repositories)

    async def read(self, work: Work[T]) -> T:
        self.reads += 1
        return await work(self.repositories)

    async def events(self) -> list[Event]:
        return self.repositories.events.events


def tweet_service(unit_of_work: UnitOfWork) -> TweetService:
    """Return the service with ids that count up, and a clock that advances a second per call."""
    ids, seconds = count(1), count()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return TweetService(
        unit_of_work=unit_of_work,
        count_characters=count_characters,
        is_visible=is_visible,
        now=lambda: start + timedelta(seconds=next(seconds)),
        new_id=lambda: UUID(int=next(ids)),
    )
