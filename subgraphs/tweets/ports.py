"""What the use cases need from the world."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from chassis.events import Event
from subgraphs.tweets.domain import FeedPage, KnownTweet, Page, PageRequest, Tweet

T = TypeVar("T")


class TweetRepository(Protocol):
    async def by_ids(self, ids: Collection[UUID]) -> Mapping[UUID, Tweet]:
        """Those that exist."""

    async def timelines(
        self, author_ids: Collection[UUID], page: PageRequest
    ) -> Mapping[UUID, Page]:
        """One page of each author's tweets and retweets, newest first."""

    async def retweeted(self, user_id: UUID, original_ids: Collection[UUID]) -> Collection[UUID]:
        """Which of the originals the user has retweeted."""

    async def locked(self, tweet_id: UUID) -> Tweet | None:
        """The tweet or retweet, with its original held for the rest of the transaction.

        Whoever changes a tweet or its retweets does this first: so changes follow one another.
        """

    async def add(self, tweet: Tweet, idempotency_key: str | None) -> tuple[Tweet, int | None]:
        """Adds an original, and gives it back, or gives the one that its author added with this
        key; and its place in its author's feed."""

    async def retweet_by(self, user_id: UUID, original_id: UUID) -> Tweet | None: ...

    async def add_retweet(self, retweet: Tweet) -> tuple[Tweet, int | None]:
        """Adds it, or gives the one that its author has made before. The original must be locked.

        Also its place in the feed of the original's author: None where it is not new, or of a
        tweet of one's own.
        """

    async def remove(self, tweet: Tweet, event: Event) -> None:
        """Remove an original and all its retweets, or one retweet from its original's count.

        The event of the deletion is kept, for `known_after`.
        """

    async def feed_heads(self, owner_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """The last place of each feed; one in which nothing ever was is not among them."""

    async def feed(self, owner_id: UUID, after: int, limit: int) -> FeedPage:
        """The first `limit` pieces of a feed after that place, of tweets that are still there."""

    async def known_after(self, tweet_id: UUID, limit: int) -> Sequence[KnownTweet]:
        """Return the next tweets and retweets by id, deleted ones too, as they are at one moment.

        What was deleted with its original is not among them.
        """

    async def forget_feed(self, owner_id: UUID) -> None:
        """Somebody has no feed any more."""


class EventOutbox(Protocol):
    async def add(self, event: Event) -> None:
        """Has the event published if, and only if, the unit of work is committed."""


class Repositories(Protocol):
    """All that one unit of work can reach."""

    @property
    def tweets(self) -> TweetRepository: ...

    @property
    def events(self) -> EventOutbox: ...


Work = Callable[[Repositories], Awaitable[T]]


class UnitOfWork(Protocol):
    async def transaction(self, work: Work[T]) -> T:
        """All of `work` or nothing. It may be run more than once."""

    async def read(self, work: Work[T]) -> T:
        """Runs `work` with each statement for itself."""


class EndedSessions(Protocol):
    """What is known here of sessions that have ended."""

    @property
    def is_current(self) -> bool:
        """Whether that is all there is: while it may not be, nobody is told anything."""

    async def current(self) -> None:
        """Returns when it is current again."""

    def has_ended(self, session_id: str) -> bool: ...


CharacterCounter = Callable[[str], int]
"""Counts user-perceived characters."""
