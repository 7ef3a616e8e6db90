"""What the use cases need from the world."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Protocol, TypeVar
from uuid import UUID

from chassis.events import Event
from subgraphs.tweets.domain import Page, PageRequest, Tweet

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

    async def add(self, tweet: Tweet, idempotency_key: str | None) -> Tweet:
        """Adds an original, and gives it back, or the one that its author added with this key."""

    async def retweet_by(self, user_id: UUID, original_id: UUID) -> Tweet | None: ...

    async def add_retweet(self, retweet: Tweet) -> None:
        """Adds it and counts it in its original."""

    async def remove(self, tweet: Tweet) -> None:
        """Removes an original and all its retweets, or one retweet from its original's count."""


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


class RejectedEvents(Protocol):
    async def add(self, text: str, reason: str) -> None:
        """Keeps what could not be handled, for somebody to look at."""


CharacterCounter = Callable[[str], int]
"""Counts user-perceived characters."""
