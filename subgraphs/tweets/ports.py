"""What the use cases need from the world."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from chassis import ports
from chassis.events import Event
from chassis.paging import Page, PageRequest
from subgraphs.tweets.domain import FeedPage, KnownTweet, Tweet


class TweetRepository(Protocol):
    async def by_ids(self, ids: Collection[UUID]) -> Mapping[UUID, Tweet]:
        """Those that exist."""

    async def timelines(
        self, author_ids: Collection[UUID], page: PageRequest
    ) -> Mapping[UUID, Page[Tweet]]:
        """One page of each author's tweets and retweets, newest first."""

    async def retweeted(self, user_id: UUID, original_ids: Collection[UUID]) -> Collection[UUID]:
        """Which of the originals the user has retweeted."""

    async def locked(self, tweet_id: UUID, by: UUID | None = None) -> Tweet | None:
        """Lock the original for the rest of the transaction; return the tweet or retweet.

        Every change of a tweet or its retweets begins with this, so changes follow one another.
        Raises Unauthenticated where the account `by` is deleted.
        """

    async def add(self, tweet: Tweet, idempotency_key: str | None) -> tuple[Tweet, int | None]:
        """Add an original; return it and its place in its author's feed.

        Returns the tweet that its author has added with this key instead, if there is one. Raises
        Unauthenticated where the author's account is deleted.
        """

    async def retweet_by(self, user_id: UUID, original_id: UUID) -> Tweet | None: ...

    async def add_retweet(self, retweet: Tweet) -> tuple[Tweet, int | None]:
        """Add a retweet, or return the one that its author has made before.

        Also returns its place in the feed of the original's author: None where the retweet is not
        new, or of a tweet of one's own. The original must be locked. Raises Unauthenticated where
        the retweeter's account is deleted.
        """

    async def remove(self, tweet: Tweet, event: Event) -> None:
        """Remove an original and all its retweets, or one retweet from its original's count.

        The event of the deletion is kept, for `known_after`.
        """

    async def feed_heads(self, owner_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """The last place of each feed; one in which nothing ever was is not among them."""

    async def feed(self, owner_id: UUID, after: int, limit: int) -> FeedPage:
        """The first `limit` pieces of a feed after that place, of tweets that are still there."""

    async def close_author(self, user_id: UUID, now: datetime) -> None:
        """Remember that an account is deleted: `add` and `add_retweet` refuse it from now on.

        Waits for transactions that write for the account. What they wrote is seen by the next
        statement.
        """

    async def known_after(self, tweet_id: UUID, limit: int) -> Sequence[KnownTweet]:
        """Return the next tweets and retweets by id, deleted ones too, as they are at one moment.

        What was deleted with its original is not among them.
        """


class Repositories(Protocol):
    """All that one unit of work can reach."""

    @property
    def tweets(self) -> TweetRepository: ...

    @property
    def events(self) -> ports.EventOutbox: ...


UnitOfWork = ports.UnitOfWork[Repositories]


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
