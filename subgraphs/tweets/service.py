"""The use cases of tweets, retweets, timelines and feeds."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.events import Event
from chassis.paging import Page, PageRequest
from subgraphs.tweets.domain import (
    Author,
    FeedItem,
    FeedPage,
    SnapshotEntry,
    Tweet,
    checked_idempotency_key,
    tweet_text,
)
from subgraphs.tweets.errors import IdempotencyKeyReused, NotTweetAuthor, TweetNotFound
from subgraphs.tweets.events import retweet_undone, tweet_created, tweet_deleted, tweet_retweeted
from subgraphs.tweets.ports import CharacterCounter, Repositories, UnitOfWork

_REMOVED_AT_ONCE = PageRequest(50)
"""Tweets of a deleted account that one transaction removes."""

_FEED_PAGE = 100


@dataclass(frozen=True, slots=True)
class TweetService:
    """The use cases.

    A change is one transaction, its `work`, which also writes the event of the change. A change by
    a deleted account raises Unauthenticated.
    """

    unit_of_work: UnitOfWork
    count_characters: CharacterCounter
    is_visible: Callable[[str], bool]
    now: Callable[[], datetime]
    new_id: Callable[[], UUID]

    async def create_tweet(
        self, author: Author, text: str, idempotency_key: str | None = None
    ) -> Tweet:
        """Create a tweet, or return the one that the author has created with this key and text.

        Raises InvalidTweet or IdempotencyKeyReused.
        """
        tweet = Tweet(
            id=self.new_id(),
            author=author,
            text=tweet_text(text, self.count_characters, self.is_visible),
            created_at=self.now(),
        )
        key = checked_idempotency_key(idempotency_key)

        async def work(repositories: Repositories) -> Tweet:
            added = await repositories.tweets.add(tweet, key)
            if added.is_new:
                await repositories.events.add(tweet_created(added.tweet, added.feed_position))
            elif added.tweet.text != tweet.text:
                raise IdempotencyKeyReused
            return added.tweet

        return await self.unit_of_work.transaction(work)

    async def delete_tweet(self, user_id: UUID, tweet_id: UUID) -> None:
        """Delete a tweet with its retweets, or undo a retweet.

        Raises TweetNotFound or NotTweetAuthor.
        """
        now = self.now()

        async def work(repositories: Repositories) -> None:
            tweet = await _lock(repositories, tweet_id, user_id)
            if tweet.author.id != user_id:
                raise NotTweetAuthor
            await _remove(repositories, tweet, now)

        await self.unit_of_work.transaction(work)

    async def retweet(self, author: Author, tweet_id: UUID) -> Tweet:
        """Retweet the original of `tweet_id`, or return the author's retweet of it.

        Raises TweetNotFound.
        """
        new_id, now = self.new_id(), self.now()

        async def work(repositories: Repositories) -> Tweet:
            original = (await _lock(repositories, tweet_id, author.id)).original
            added = await repositories.tweets.add_retweet(original.retweeted(new_id, author, now))
            if added.is_new:
                await repositories.events.add(tweet_retweeted(added.tweet, added.feed_position))
            return added.tweet

        return await self.unit_of_work.transaction(work)

    async def undo_retweet(self, user_id: UUID, tweet_id: UUID) -> Tweet:
        """Undo the user's retweet of the original of `tweet_id`, if there is one.

        Returns the original. Raises TweetNotFound.
        """
        now = self.now()

        async def work(repositories: Repositories) -> Tweet:
            original = (await _lock(repositories, tweet_id, user_id)).original
            retweet = await repositories.tweets.retweet_by(user_id, original.id)
            if retweet is None:
                return original
            await _remove(repositories, retweet, now)
            return retweet.undone()

        return await self.unit_of_work.transaction(work)

    async def forget_user(self, user_id: UUID) -> None:
        """Remove the tweets and retweets of a deleted account, and refuse later ones.

        The first step closes the account: it waits for open writes of the account, and later ones
        are refused. Each step is a transaction, so that no other write waits for the removal of a
        million tweets. After a crash between two steps, call this again.
        """
        now = self.now()
        await self.unit_of_work.transaction(lambda r: r.feeds.close(user_id, now))

        async def work(repositories: Repositories) -> bool:
            page = (await repositories.tweets.timelines([user_id], _REMOVED_AT_ONCE))[user_id]
            # Concurrent removals lock the originals in the same order, so they do not deadlock.
            for shown in sorted(page.items, key=lambda tweet: tweet.original.id):
                if tweet := await repositories.tweets.lock(shown.id):
                    await _remove(repositories, tweet, now)
            return bool(page.items)

        while await self.unit_of_work.transaction(work):
            pass

    async def tweets(self, ids: Collection[UUID]) -> Mapping[UUID, Tweet]:
        """Return the tweets and retweets that exist."""
        return await self.unit_of_work.read(lambda r: r.tweets.by_ids(ids))

    async def timelines(
        self, author_ids: Collection[UUID], page: PageRequest
    ) -> Mapping[UUID, Page[Tweet]]:
        """Return one page of each author's tweets and retweets, newest first."""
        return await self.unit_of_work.read(lambda r: r.tweets.timelines(author_ids, page))

    async def retweeted(self, user_id: UUID, original_ids: Collection[UUID]) -> Collection[UUID]:
        """Return the originals that the user has retweeted."""
        return await self.unit_of_work.read(lambda r: r.tweets.retweeted(user_id, original_ids))

    async def feed_heads(self, owner_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """Return the last position of each feed; 0 for one that never had an item."""
        heads = await self.unit_of_work.read(lambda r: r.feeds.heads(owner_ids))
        return {owner_id: heads.get(owner_id, 0) for owner_id in owner_ids}

    async def feed(self, owner_id: UUID, after: int) -> FeedPage:
        """Return the items of a feed after a position, at most 100 of them."""
        return await self.unit_of_work.read(lambda r: r.feeds.page(owner_id, after, _FEED_PAGE))

    async def feed_item(self, owner_id: UUID, position: int) -> FeedItem | None:
        """Return the item at a position of a feed; None if it exists no more, or not yet."""
        page = await self.unit_of_work.read(lambda r: r.feeds.page(owner_id, position - 1, 1))
        found = page.items[0] if page.items else None
        return found if found and found.position == position else None

    async def snapshot(self, after: UUID, limit: int) -> Sequence[tuple[UUID, Event]]:
        """Return the events of the next tweets and retweets by id, each with that id.

        Other services ask for these when they start late.
        """
        entries = await self.unit_of_work.read(lambda r: r.tweets.known_after(after, limit))
        return [(entry.id, _last_event(entry)) for entry in entries]


async def _lock(repositories: Repositories, tweet_id: UUID, by: UUID) -> Tweet:
    tweet = await repositories.tweets.lock(tweet_id, by)
    if tweet is None:
        raise TweetNotFound
    return tweet


async def _remove(repositories: Repositories, tweet: Tweet, now: datetime) -> None:
    """Remove a locked tweet or retweet, and add the event of that."""
    event = retweet_undone(tweet, now) if tweet.retweet_of else tweet_deleted(tweet, now)
    await repositories.tweets.remove(tweet, event)
    await repositories.events.add(event)


def _last_event(entry: SnapshotEntry) -> Event:
    if entry.tweet is None:
        return Event.from_json(entry.deletion or "")
    event_of = tweet_retweeted if entry.tweet.retweet_of else tweet_created
    return event_of(entry.tweet, entry.feed_position)
