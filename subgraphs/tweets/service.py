"""The use cases of tweets, retweets and timelines."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.events import Event
from chassis.paging import Page, PageRequest
from subgraphs.tweets.domain import (
    Author,
    FeedPage,
    KnownTweet,
    Tweet,
    checked_idempotency_key,
    tweet_text,
)
from subgraphs.tweets.errors import IdempotencyKeyReused, NotTweetAuthor, TweetNotFound
from subgraphs.tweets.events import retweet_undone, tweet_created, tweet_deleted, tweet_retweeted
from subgraphs.tweets.ports import CharacterCounter, Repositories, UnitOfWork

_FORGOTTEN_AT_ONCE = PageRequest(50)
"""How many tweets of somebody go in one transaction."""

_FEED_PAGE = 100


@dataclass(frozen=True, slots=True)
class TweetService:
    """Every use case of the tweets service.

    Each change is one transaction, its `work`, and its event is written there, next to the change.
    A change for a deleted account raises Unauthenticated.
    """

    unit_of_work: UnitOfWork
    count_characters: CharacterCounter
    is_visible: Callable[[str], bool]
    now: Callable[[], datetime]
    new_id: Callable[[], UUID]

    async def create_tweet(
        self, author: Author, text: str, idempotency_key: str | None = None
    ) -> Tweet:
        """The same author, key and text give the same tweet again, for as long as it exists.

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
            added, feed_position = await repositories.tweets.add(tweet, key)
            if added.id == tweet.id:
                await repositories.events.add(tweet_created(tweet, feed_position))
                return added
            if added.text != tweet.text:
                raise IdempotencyKeyReused
            return added

        return await self.unit_of_work.transaction(work)

    async def delete_tweet(self, user_id: UUID, tweet_id: UUID) -> None:
        """Deletes a tweet with its retweets, or undoes a retweet.

        Raises TweetNotFound or NotTweetAuthor.
        """

        now = self.now()

        async def work(repositories: Repositories) -> None:
            tweet = await _locked(repositories, tweet_id, user_id)
            if tweet.author.id != user_id:
                raise NotTweetAuthor
            await _remove(repositories, tweet, now)

        await self.unit_of_work.transaction(work)

    async def retweet(self, author: Author, tweet_id: UUID) -> Tweet:
        """Retweets the original of `tweet_id`; the second time it gives the same retweet.

        Raises TweetNotFound.
        """
        new_id, now = self.new_id(), self.now()

        async def work(repositories: Repositories) -> Tweet:
            original = (await _locked(repositories, tweet_id, author.id)).original
            original = original._replace(retweet_count=original.retweet_count + 1)
            retweet = Tweet(
                id=new_id,
                author=author,
                text=original.text,
                created_at=now,
                retweet_count=original.retweet_count,
                retweet_of=original,
            )
            added, feed_position = await repositories.tweets.add_retweet(retweet)
            if added.id == retweet.id:
                await repositories.events.add(tweet_retweeted(retweet, feed_position))
            return added

        return await self.unit_of_work.transaction(work)

    async def undo_retweet(self, user_id: UUID, tweet_id: UUID) -> Tweet:
        """Takes back the user's retweet of the original of `tweet_id`, and gives the original.

        Raises TweetNotFound.
        """

        now = self.now()

        async def work(repositories: Repositories) -> Tweet:
            original = (await _locked(repositories, tweet_id, user_id)).original
            retweet = await repositories.tweets.retweet_by(user_id, original.id)
            if retweet is None:
                return original
            await _remove(repositories, retweet, now)
            return original._replace(retweet_count=original.retweet_count - 1)

        return await self.unit_of_work.transaction(work)

    async def forget_user(self, user_id: UUID) -> None:
        """Remove all that a deleted account tweeted and retweeted, now and for good.

        First the account is closed: a write that is under way is waited for and then removed, and
        a later one is refused. Each step is a transaction of its own, so that no other write waits
        for a million tweets. After a crash between two steps, call it again.
        """
        now = self.now()
        await self.unit_of_work.transaction(lambda r: r.tweets.close_author(user_id, now))

        async def work(repositories: Repositories) -> bool:
            page = (await repositories.tweets.timelines([user_id], _FORGOTTEN_AT_ONCE))[user_id]
            # Two of these at once lock originals of others in the same order.
            for shown in sorted(page.items, key=lambda tweet: tweet.original.id):
                if tweet := await repositories.tweets.locked(shown.id):
                    await _remove(repositories, tweet, now)
            return bool(page.items)

        while await self.unit_of_work.transaction(work):
            pass

    async def tweets(self, ids: Collection[UUID]) -> Mapping[UUID, Tweet]:
        """Those that exist."""
        return await self.unit_of_work.read(lambda repositories: repositories.tweets.by_ids(ids))

    async def timelines(
        self, author_ids: Collection[UUID], page: PageRequest
    ) -> Mapping[UUID, Page[Tweet]]:
        """One page for each author."""
        return await self.unit_of_work.read(
            lambda repositories: repositories.tweets.timelines(author_ids, page)
        )

    async def retweeted(self, user_id: UUID, original_ids: Collection[UUID]) -> Collection[UUID]:
        """Which of the originals the user has retweeted."""
        return await self.unit_of_work.read(
            lambda repositories: repositories.tweets.retweeted(user_id, original_ids)
        )

    async def feed_heads(self, owner_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """How far each of these feeds reaches; 0 for one in which nothing ever was."""
        heads = await self.unit_of_work.read(lambda r: r.tweets.feed_heads(owner_ids))
        return {owner_id: heads.get(owner_id, 0) for owner_id in owner_ids}

    async def snapshot(self, after: UUID, limit: int) -> Sequence[tuple[UUID, Event]]:
        """Return the events that make the next tweets and retweets, each with its id."""
        found = await self.unit_of_work.read(lambda r: r.tweets.known_after(after, limit))
        return [(known.id, _as_event(known)) for known in found]

    async def feed(self, owner_id: UUID, after: int) -> FeedPage:
        """What came next in somebody's feed."""
        return await self.unit_of_work.read(lambda r: r.tweets.feed(owner_id, after, _FEED_PAGE))


async def _locked(repositories: Repositories, tweet_id: UUID, by: UUID) -> Tweet:
    tweet = await repositories.tweets.locked(tweet_id, by)
    if tweet is None:
        raise TweetNotFound
    return tweet


async def _remove(repositories: Repositories, tweet: Tweet, now: datetime) -> None:
    """Remove a locked tweet or retweet and publish that."""
    event = retweet_undone(tweet, now) if tweet.retweet_of else tweet_deleted(tweet, now)
    await repositories.tweets.remove(tweet, event)
    await repositories.events.add(event)


def _as_event(known: KnownTweet) -> Event:
    if known.tweet is None:
        return Event.from_json(known.deletion or "")
    make = tweet_retweeted if known.tweet.retweet_of else tweet_created
    return make(known.tweet, known.feed_position)
