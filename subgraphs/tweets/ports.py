"""The ports of the use cases: repositories, unit of work, sessions, and rules about characters."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from chassis import ports
from chassis.events import Event
from chassis.paging import Page, PageRequest
from subgraphs.tweets.domain import Addition, FeedPage, SnapshotEntry, Tweet


class TweetRepository(Protocol):
    async def by_ids(self, ids: Collection[UUID]) -> Mapping[UUID, Tweet]:
        """Return the tweets and retweets that exist."""

    async def timelines(
        self, author_ids: Collection[UUID], page: PageRequest
    ) -> Mapping[UUID, Page[Tweet]]:
        """Return one page of each author's tweets and retweets, newest first."""

    async def retweeted(self, user_id: UUID, original_ids: Collection[UUID]) -> Collection[UUID]:
        """Return the originals that the user has retweeted."""

    async def lock(self, tweet_id: UUID, by: UUID | None = None) -> Tweet | None:
        """Lock the original until the end of the transaction; return the tweet or retweet.

        Every change of a tweet or its retweets takes this lock first, so such changes are serial.
        Raises Unauthenticated where the account `by` is deleted.
        """

    async def add(self, tweet: Tweet, idempotency_key: str | None) -> Addition:
        """Add an original, or return the one that its author has added with this key before.

        Raises Unauthenticated where the author's account is deleted.
        """

    async def retweet_by(self, user_id: UUID, original_id: UUID) -> Tweet | None:
        """Return the user's retweet of the original."""

    async def add_retweet(self, retweet: Tweet) -> Addition:
        """Add a retweet and count it, or return the one that its author has added before.

        The original must be locked. Raises Unauthenticated where the retweeter's account is
        deleted.
        """

    async def remove(self, tweet: Tweet, event: Event) -> None:
        """Remove an original and all its retweets, or remove one retweet and stop counting it.

        The event of the deletion is stored for `known_after`.
        """

    async def known_after(self, tweet_id: UUID, limit: int) -> Sequence[SnapshotEntry]:
        """Return the next tweets and retweets by id, deleted ones too, all of one moment.

        Retweets that were deleted together with their original are left out.
        """


class FeedRepository(Protocol):
    async def heads(self, owner_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """Return the last position of each feed, without those that never had an item."""

    async def page(self, owner_id: UUID, after: int, limit: int) -> FeedPage:
        """Return the first `limit` items after a position, without those of deleted tweets."""

    async def is_closed(self, owner_id: UUID) -> bool:
        """Return whether the owner's account is deleted."""

    async def close(self, owner_id: UUID, now: datetime) -> None:
        """Record that the owner's account is deleted: later additions of theirs are refused.

        Waits for open transactions that write for the account. The next statement sees what they
        wrote.
        """


class Repositories(Protocol):
    """The repositories of one unit of work."""

    @property
    def tweets(self) -> TweetRepository: ...

    @property
    def feeds(self) -> FeedRepository: ...

    @property
    def events(self) -> ports.EventOutbox: ...


UnitOfWork = ports.UnitOfWork[Repositories]

CharacterCounter = Callable[[str], int]
"""Counts user-perceived characters."""
