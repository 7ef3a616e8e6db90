"""The behaviour of the use cases, for any repository.

`test_service.py` runs it on the fake and the integration tests run it on PostgreSQL, so that the
fake behaves as the real repository does.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.errors import Unauthenticated
from chassis.events import Event
from chassis.paging import Page, PageRequest
from chassis.ports import T
from subgraphs.tweets.domain import Author, FeedItem, FeedKind, FeedPage, Tweet
from subgraphs.tweets.errors import (
    IdempotencyKeyReused,
    InvalidTweet,
    NotTweetAuthor,
    TweetNotFound,
)
from subgraphs.tweets.ports import UnitOfWork
from subgraphs.tweets.service import TweetService
from tests.unit.tweets.fakes import ADA, BOB, CAT, NOBODY, Work

Events = Callable[[], Awaitable[list[Event]]]
"""Returns the events that the service has published."""

ACTIONS = ("tweet", "tweet", "retweet", "retweet", "undo", "remove", "delete")
_USER = st.integers(0, 2)


class ProcessDied(Exception):
    pass


@dataclass
class DyingUnitOfWork:
    """Commits `after` transactions. The next one raises, as if the process had died."""

    inner: UnitOfWork
    after: int

    async def transaction(self, work: Work[T]) -> T:
        if not self.after:
            raise ProcessDied
        self.after -= 1
        return await self.inner.transaction(work)

    async def read(self, work: Work[T]) -> T:
        return await self.inner.read(work)


async def published(events: Events) -> list[tuple[str, Any]]:
    """Return the type and the data of every event, except those of type `tweet-created`."""
    return [(e.type, e.data) for e in await events() if e.type != "tweet-created"]


def undone(retweet: Tweet, *, count: int) -> tuple[str, Any]:
    return "retweet-undone", {
        "retweetId": str(retweet.id),
        "tweetId": str(retweet.original.id),
        "retweeterId": str(retweet.author.id),
        "retweetCount": count,
    }


def deleted(tweet: Tweet) -> tuple[str, Any]:
    return "tweet-deleted", {"tweetId": str(tweet.id), "authorId": str(tweet.author.id)}


async def get(service: TweetService, tweet_id: UUID) -> Tweet | None:
    return (await service.tweets([tweet_id])).get(tweet_id)


async def timeline(
    service: TweetService, author: Author, first: int = 100, after: Tweet | None = None
) -> Page[Tweet]:
    page = PageRequest(first, after.id if after else None)
    return (await service.timelines([author.id], page))[author.id]


async def tweets_of(service: TweetService, author: Author, number: int) -> list[Tweet]:
    """Create tweets; return the newest first."""
    return [await service.create_tweet(author, f"Number {n}") for n in range(number)][::-1]


class CreateTweet:
    async def test_publishes_an_event(self, service: TweetService, events: Events) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        (event,) = await events()
        assert event == Event(
            id=event.id,
            source="/tweets",
            type="tweet-created",
            subject=str(tweet.id),
            time=tweet.created_at,
            data={
                "tweetId": str(tweet.id),
                "authorId": str(ADA.id),
                "authorUsername": "ada",
                "text": "Hi",
                "createdAt": tweet.created_at.isoformat().replace("+00:00", "Z"),
                "feedPosition": 1,
            },
        )

    async def test_repeated_key_publishes_no_event(
        self, service: TweetService, events: Events
    ) -> None:
        await service.create_tweet(ADA, "Hi", "key")
        await service.create_tweet(ADA, "Hi", "key")
        with pytest.raises(IdempotencyKeyReused):
            await service.create_tweet(ADA, "Ho", "key")
        assert len(await events()) == 1

    async def test_tweet_is_stored_as_it_was_returned(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, " Hello,\r\nworld ")
        assert tweet.author == ADA
        assert tweet.text == "Hello,\nworld"
        assert (tweet.retweet_count, tweet.retweet_of) == (0, None)
        assert await get(service, tweet.id) == tweet

    async def test_same_text_without_key_is_two_tweets(self, service: TweetService) -> None:
        assert (await service.create_tweet(ADA, "Hi")).id != (
            await service.create_tweet(ADA, "Hi")
        ).id

    async def test_same_key_and_text_return_the_same_tweet(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi", "key")
        assert await service.create_tweet(ADA, " Hi ", "key") == tweet
        assert (await timeline(service, ADA)).items == [tweet]

    async def test_same_key_with_another_text_is_refused(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi", "key")
        with pytest.raises(IdempotencyKeyReused):
            await service.create_tweet(ADA, "Ho", "key")
        assert (await timeline(service, ADA)).items == [tweet]

    async def test_key_of_another_author_is_another_key(self, service: TweetService) -> None:
        assert (await service.create_tweet(ADA, "Hi", "key")).id != (
            await service.create_tweet(BOB, "Hi", "key")
        ).id

    async def test_key_of_a_deleted_tweet_can_be_used_again(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi", "key")
        await service.delete_tweet(ADA.id, tweet.id)
        assert (await service.create_tweet(ADA, "Ho", "key")).text == "Ho"

    async def test_tweet_of_a_repeated_key_has_its_retweet_count(
        self, service: TweetService
    ) -> None:
        tweet = await service.create_tweet(ADA, "Hi", "key")
        await service.retweet(BOB, tweet.id)
        assert (await service.create_tweet(ADA, "Hi", "key")).retweet_count == 1

    @pytest.mark.parametrize("key", ["", "k" * 65, "kéy", "k\n", "k\x7f"])
    async def test_malformed_key_is_refused(self, service: TweetService, key: str) -> None:
        with pytest.raises(InvalidTweet):
            await service.create_tweet(ADA, "Hi", key)

    async def test_empty_text_is_refused(self, service: TweetService) -> None:
        with pytest.raises(InvalidTweet):
            await service.create_tweet(ADA, " ")
        assert (await timeline(service, ADA)).items == []


class DeleteTweet:
    async def test_retweets_deleted_with_a_tweet_publish_no_event(
        self, service: TweetService, events: Events
    ) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        await service.retweet(BOB, tweet.id)
        await service.delete_tweet(ADA.id, tweet.id)
        assert (await published(events))[1:] == [deleted(tweet)]
        assert {event.subject for event in await events()} == {str(tweet.id)}

    async def test_refused_deletion_publishes_no_event(
        self, service: TweetService, events: Events
    ) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        with pytest.raises(NotTweetAuthor):
            await service.delete_tweet(BOB.id, tweet.id)
        assert await published(events) == []

    async def test_deleting_a_retweet_publishes_its_undoing(
        self, service: TweetService, events: Events
    ) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        await service.retweet(CAT, tweet.id)
        retweet = await service.retweet(BOB, tweet.id)
        await service.delete_tweet(BOB.id, retweet.id)
        assert (await published(events))[2:] == [undone(retweet, count=1)]

    async def test_tweet_is_removed_from_the_timeline(self, service: TweetService) -> None:
        tweet, other = await tweets_of(service, ADA, 2)
        await service.delete_tweet(ADA.id, tweet.id)
        assert (await timeline(service, ADA)).items == [other]

    async def test_retweets_are_deleted_with_their_original(self, service: TweetService) -> None:
        tweet, other = await tweets_of(service, ADA, 2)
        retweet = await service.retweet(BOB, tweet.id)
        kept = await service.retweet(BOB, other.id)
        await service.delete_tweet(ADA.id, tweet.id)
        assert await get(service, retweet.id) is None
        assert await get(service, kept.id) == kept

    async def test_second_deletion_is_not_found(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        await service.delete_tweet(ADA.id, tweet.id)
        with pytest.raises(TweetNotFound):
            await service.delete_tweet(ADA.id, tweet.id)

    async def test_unknown_tweet_is_not_found(self, service: TweetService) -> None:
        with pytest.raises(TweetNotFound):
            await service.delete_tweet(ADA.id, NOBODY)

    async def test_only_the_author_can_delete_a_tweet(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        with pytest.raises(NotTweetAuthor):
            await service.delete_tweet(BOB.id, tweet.id)
        assert await get(service, tweet.id) == tweet

    async def test_own_retweet_is_undone(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        await service.retweet(CAT, tweet.id)
        retweet = await service.retweet(BOB, tweet.id)
        await service.delete_tweet(BOB.id, retweet.id)
        kept = await get(service, tweet.id)
        assert kept is not None
        assert kept.retweet_count == 1
        assert await get(service, retweet.id) is None

    async def test_author_of_the_original_cannot_delete_a_retweet(
        self, service: TweetService
    ) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        retweet = await service.retweet(BOB, tweet.id)
        with pytest.raises(NotTweetAuthor):
            await service.delete_tweet(ADA.id, retweet.id)


class Retweet:
    async def test_publishes_an_event_about_the_original(
        self, service: TweetService, events: Events
    ) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        retweet = await service.retweet(CAT, (await service.retweet(BOB, tweet.id)).id)
        event = (await events())[-1]
        assert event == Event(
            id=event.id,
            source="/tweets",
            type="tweet-retweeted",
            subject=str(tweet.id),
            time=retweet.created_at,
            data={
                "retweetId": str(retweet.id),
                "tweetId": str(tweet.id),
                "text": "Hi",
                "authorId": str(ADA.id),
                "authorUsername": "ada",
                "retweeterId": str(CAT.id),
                "retweeterUsername": "cat",
                "retweetCount": 2,
                "createdAt": retweet.created_at.isoformat().replace("+00:00", "Z"),
                "tweetCreatedAt": tweet.created_at.isoformat().replace("+00:00", "Z"),
                "feedPosition": 3,
            },
        )

    async def test_retweet_of_own_tweet_publishes_an_event(
        self, service: TweetService, events: Events
    ) -> None:
        await service.retweet(ADA, (await service.create_tweet(ADA, "Hi")).id)
        assert [kind for kind, _ in await published(events)] == ["tweet-retweeted"]

    async def test_second_retweet_publishes_no_event(
        self, service: TweetService, events: Events
    ) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        for _ in range(2):
            await service.retweet(BOB, tweet.id)
        assert len(await published(events)) == 1

    async def test_retweet_after_undoing_has_another_event_id(
        self, service: TweetService, events: Events
    ) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        for _ in range(2):
            await service.retweet(BOB, tweet.id)
            await service.undo_retweet(BOB.id, tweet.id)
        assert len({event.id for event in await events()}) == 5

    async def test_retweet_has_text_and_count_of_the_original(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        retweet = await service.retweet(BOB, tweet.id)
        original = await get(service, tweet.id)
        assert original is not None
        assert original.retweet_count == 1
        assert retweet.retweet_of == original
        assert (retweet.author, retweet.text, retweet.retweet_count) == (BOB, "Hi", 1)
        assert await get(service, retweet.id) == retweet

    async def test_second_retweet_returns_the_first(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        retweet = await service.retweet(BOB, tweet.id)
        assert await service.retweet(BOB, tweet.id) == retweet
        assert (await timeline(service, BOB)).items == [retweet]

    async def test_each_user_is_counted(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        await service.retweet(BOB, tweet.id)
        assert (await service.retweet(CAT, tweet.id)).retweet_count == 2

    async def test_own_tweet_can_be_retweeted(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        retweet = await service.retweet(ADA, tweet.id)
        assert (await timeline(service, ADA)).items == [retweet, retweet.retweet_of]

    async def test_retweet_of_a_retweet_refers_to_the_original(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        retweet = await service.retweet(CAT, (await service.retweet(BOB, tweet.id)).id)
        assert retweet.original.id == tweet.id
        assert retweet.retweet_count == 2

    async def test_retweet_of_own_retweet_returns_it(self, service: TweetService) -> None:
        retweet = await service.retweet(BOB, (await service.create_tweet(ADA, "Hi")).id)
        assert await service.retweet(BOB, retweet.id) == retweet

    async def test_unknown_tweet_is_not_found(self, service: TweetService) -> None:
        with pytest.raises(TweetNotFound):
            await service.retweet(ADA, NOBODY)


class UndoRetweet:
    async def test_publishes_one_event_about_the_original(
        self, service: TweetService, events: Events
    ) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        retweet = await service.retweet(BOB, tweet.id)
        await service.undo_retweet(BOB.id, tweet.id)
        await service.undo_retweet(BOB.id, tweet.id)
        assert (await published(events))[1:] == [undone(retweet, count=0)]
        assert (await events())[-1].subject == str(tweet.id)

    async def test_returns_the_original_with_its_count(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        await service.retweet(BOB, tweet.id)
        assert await service.undo_retweet(BOB.id, tweet.id) == tweet
        assert await get(service, tweet.id) == tweet
        assert (await timeline(service, BOB)).items == []

    async def test_second_undoing_changes_nothing(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        await service.retweet(BOB, tweet.id)
        await service.undo_retweet(BOB.id, tweet.id)
        assert await service.undo_retweet(BOB.id, tweet.id) == tweet

    async def test_id_of_the_retweet_is_accepted(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        retweet = await service.retweet(BOB, tweet.id)
        assert await service.undo_retweet(BOB.id, retweet.id) == tweet

    async def test_id_of_another_users_retweet_undoes_own_retweet(
        self, service: TweetService
    ) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        theirs = await service.retweet(CAT, tweet.id)
        await service.retweet(BOB, tweet.id)
        assert (await service.undo_retweet(BOB.id, theirs.id)).retweet_count == 1
        assert await get(service, theirs.id) == theirs

    async def test_tweet_without_retweets_is_returned_unchanged(
        self, service: TweetService
    ) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        assert await service.undo_retweet(BOB.id, tweet.id) == tweet

    async def test_tweet_can_be_retweeted_again(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        await service.retweet(BOB, tweet.id)
        await service.undo_retweet(BOB.id, tweet.id)
        assert (await service.retweet(BOB, tweet.id)).retweet_count == 1

    async def test_unknown_tweet_is_not_found(self, service: TweetService) -> None:
        with pytest.raises(TweetNotFound):
            await service.undo_retweet(ADA.id, NOBODY)


class ForgetUser:
    async def test_removes_what_the_user_wrote_and_nothing_else(
        self, service: TweetService, events: Events
    ) -> None:
        doomed = await service.create_tweet(ADA, "Hi")
        kept = await service.create_tweet(BOB, "Ho")
        await service.retweet(BOB, doomed.id)
        theirs = await service.retweet(CAT, kept.id)
        retweet = await service.retweet(ADA, kept.id)
        await service.retweet(ADA, doomed.id)
        before = len(await events())
        await service.forget_user(ADA.id)
        assert (await timeline(service, ADA)).items == []
        assert (await timeline(service, BOB)).items == [theirs.original]
        assert [tweet.id for tweet in (await timeline(service, CAT)).items] == [theirs.id]
        removals = [(event.type, event.data) for event in (await events())[before:]]
        assert undone(retweet, count=1) in removals
        assert deleted(doomed) in removals

    async def test_many_tweets_are_removed_in_steps(
        self, service: TweetService, events: Events
    ) -> None:
        tweets = await tweets_of(service, ADA, 120)
        await service.forget_user(ADA.id)
        assert (await timeline(service, ADA)).items == []
        assert sorted(await published(events), key=str) == sorted(map(deleted, tweets), key=str)

    async def test_second_removal_publishes_no_event(
        self, service: TweetService, events: Events
    ) -> None:
        await service.create_tweet(ADA, "Hi")
        for _ in range(2):
            await service.forget_user(ADA.id)
        assert len(await published(events)) == 1


class DeletedAccount:
    """Writes of an account that is deleted already."""

    async def test_tweet_is_refused(self, service: TweetService) -> None:
        await service.forget_user(ADA.id)
        with pytest.raises(Unauthenticated):
            await service.create_tweet(ADA, "Hi")
        assert (await timeline(service, ADA)).items == []

    async def test_tweet_is_refused_after_earlier_tweets(self, service: TweetService) -> None:
        await tweets_of(service, ADA, 2)
        await service.forget_user(ADA.id)
        with pytest.raises(Unauthenticated):
            await service.create_tweet(ADA, "Hi", "key")

    async def test_repeated_key_is_refused(self, service: TweetService) -> None:
        await service.create_tweet(ADA, "Hi", "key")
        await service.forget_user(ADA.id)
        with pytest.raises(Unauthenticated):
            await service.create_tweet(ADA, "Hi", "key")

    @pytest.mark.parametrize("tweeted", [True, False])
    async def test_retweet_is_refused_and_not_counted(
        self, service: TweetService, events: Events, tweeted: bool
    ) -> None:
        tweet = await service.create_tweet(BOB, "Hi")
        if tweeted:
            await service.create_tweet(ADA, "Ho")
        await service.retweet(ADA, tweet.id)
        await service.forget_user(ADA.id)
        before = await events()
        with pytest.raises(Unauthenticated):
            await service.retweet(ADA, tweet.id)
        assert await get(service, tweet.id) == tweet
        assert await events() == before

    async def test_undoing_and_deletion_are_refused(self, service: TweetService) -> None:
        tweet = await service.create_tweet(BOB, "Hi")
        await service.forget_user(ADA.id)
        with pytest.raises(Unauthenticated):
            await service.undo_retweet(ADA.id, tweet.id)
        with pytest.raises(Unauthenticated):
            await service.delete_tweet(ADA.id, tweet.id)

    async def test_other_users_can_write(self, service: TweetService) -> None:
        tweet = await service.create_tweet(BOB, "Hi")
        await service.forget_user(ADA.id)
        await service.retweet(CAT, tweet.id)
        await service.create_tweet(BOB, "Ho")
        assert await service.feed_heads([BOB.id]) == {BOB.id: 3}

    @pytest.mark.parametrize("steps", range(4))
    async def test_interrupted_removal_is_completed_by_the_next(
        self, service: TweetService, steps: int
    ) -> None:
        kept = await service.create_tweet(BOB, "Hi")
        await service.retweet(ADA, kept.id)
        await tweets_of(service, ADA, 60)
        dying = replace(service, unit_of_work=DyingUnitOfWork(service.unit_of_work, after=steps))
        with pytest.raises(ProcessDied):
            await dying.forget_user(ADA.id)
        await service.forget_user(ADA.id)
        assert (await timeline(service, ADA)).items == []
        assert await get(service, kept.id) == kept

    async def test_tweet_is_refused_after_the_first_step_of_the_removal(
        self, service: TweetService
    ) -> None:
        await tweets_of(service, ADA, 2)
        dying = replace(service, unit_of_work=DyingUnitOfWork(service.unit_of_work, after=1))
        with pytest.raises(ProcessDied):
            await dying.forget_user(ADA.id)
        with pytest.raises(Unauthenticated):
            await service.create_tweet(ADA, "Hi")

    @given(st.lists(st.tuples(st.sampled_from(ACTIONS), _USER, _USER), max_size=25))
    @settings(
        max_examples=60,
        deadline=None,
        # Each example has its own users, and two classes run the suite.
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
    )
    async def test_counts_and_events_agree_for_any_order_of_actions(
        self, service: TweetService, events: Events, actions: list[tuple[str, int, int]]
    ) -> None:
        """An action is its name, the user who acts, and the user whose last tweet it concerns."""
        users = [Author(service.new_id(), f"user{n}") for n in range(3)]
        last: dict[int, UUID] = {}
        deleted_users: set[int] = set()
        known = len(await events())
        for action, who, whom in actions:
            try:
                made = await act(service, action, users[who], last.get(whom, NOBODY))
            except Unauthenticated:
                assert who in deleted_users
            except (TweetNotFound, NotTweetAuthor):
                assert action != "tweet"
            else:
                assert action == "delete" or who not in deleted_users
                if action == "tweet" and made:
                    last[who] = made.id
                if action == "delete":
                    deleted_users.add(who)
        for who, author in enumerate(users):
            found = (await timeline(service, author)).items
            assert not (found and who in deleted_users)
            for tweet in found:
                assert tweet.original.author not in [users[n] for n in deleted_users]
        assert await counts_of(service, users) == replayed((await events())[known:])


async def act(service: TweetService, action: str, author: Author, target: UUID) -> Tweet | None:
    if action == "tweet":
        return await service.create_tweet(author, "Hi")
    if action == "retweet":
        return await service.retweet(author, target)
    if action == "undo":
        return await service.undo_retweet(author.id, target)
    if action == "remove":
        await service.delete_tweet(author.id, target)
    else:
        await service.forget_user(author.id)
    return None


async def counts_of(service: TweetService, users: list[Author]) -> dict[str, int]:
    """Return the retweet count of each original of the users, checked against the retweets."""
    tweets = [t for user in users for t in (await timeline(service, user)).items]
    counts = {str(tweet.id): tweet.retweet_count for tweet in tweets if not tweet.retweet_of}
    retweets = Counter(str(tweet.original.id) for tweet in tweets if tweet.retweet_of)
    assert counts == {tweet_id: retweets[tweet_id] for tweet_id in counts}
    return counts


def replayed(events: list[Event]) -> dict[str, int]:
    """Return the retweet counts that a consumer of the events computes."""
    counts: dict[str, int] = {}
    for event in events:
        if event.type == "tweet-created":
            counts[event.subject] = 0
        elif event.type == "tweet-deleted":
            del counts[event.subject]
        else:
            counts[event.subject] += 1 if event.type == "tweet-retweeted" else -1
            assert event.data["retweetCount"] == counts[event.subject]
    return counts


class Tweets:
    async def test_existing_tweets_are_returned(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        retweet = await service.retweet(BOB, tweet.id)
        found = await service.tweets([tweet.id, NOBODY, retweet.id])
        assert found == {tweet.id: retweet.original, retweet.id: retweet}

    async def test_no_ids_return_no_tweets(self, service: TweetService) -> None:
        assert await service.tweets([]) == {}


class Timelines:
    async def test_newest_tweet_is_first(self, service: TweetService) -> None:
        tweets = await tweets_of(service, ADA, 3)
        await tweets_of(service, BOB, 1)
        assert await timeline(service, ADA) == Page(tweets)

    async def test_pages_are_consecutive(self, service: TweetService) -> None:
        tweets = await tweets_of(service, ADA, 5)
        assert await timeline(service, ADA, 2) == Page(tweets[:2], has_next=True)
        assert await timeline(service, ADA, 2, tweets[1]) == Page(
            tweets[2:4], has_next=True, has_previous=True
        )
        assert await timeline(service, ADA, 2, tweets[3]) == Page(tweets[4:], has_previous=True)

    async def test_full_last_page_has_no_next_page(self, service: TweetService) -> None:
        tweets = await tweets_of(service, ADA, 2)
        assert await timeline(service, ADA, 2) == Page(tweets)

    async def test_page_after_the_last_tweet_is_empty(self, service: TweetService) -> None:
        tweets = await tweets_of(service, ADA, 2)
        assert await timeline(service, ADA, 2, tweets[1]) == Page([], has_previous=True)

    async def test_page_after_the_first_tweet_has_a_previous_page(
        self, service: TweetService
    ) -> None:
        tweets = await tweets_of(service, ADA, 2)
        assert await timeline(service, ADA, 2, tweets[0]) == Page([tweets[1]], has_previous=True)

    async def test_id_of_a_deleted_tweet_is_a_cursor(self, service: TweetService) -> None:
        tweets = await tweets_of(service, ADA, 3)
        await service.delete_tweet(ADA.id, tweets[1].id)
        assert await timeline(service, ADA, 2, tweets[1]) == Page([tweets[2]], has_previous=True)

    async def test_page_after_a_deleted_first_tweet_has_no_previous_page(
        self, service: TweetService
    ) -> None:
        tweets = await tweets_of(service, ADA, 2)
        await service.delete_tweet(ADA.id, tweets[0].id)
        assert await timeline(service, ADA, 2, tweets[0]) == Page([tweets[1]])

    async def test_timeline_includes_retweets(self, service: TweetService) -> None:
        (own,) = await tweets_of(service, BOB, 1)
        retweet = await service.retweet(BOB, (await service.create_tweet(ADA, "Hi")).id)
        assert await timeline(service, BOB) == Page([retweet, own])

    async def test_each_author_has_a_page(self, service: TweetService) -> None:
        ada, bob = await tweets_of(service, ADA, 3), await tweets_of(service, BOB, 1)
        pages = await service.timelines([ADA.id, BOB.id, CAT.id], PageRequest(2))
        assert pages == {
            ADA.id: Page(ada[:2], has_next=True),
            BOB.id: Page(bob),
            CAT.id: Page([]),
        }

    async def test_pages_of_authors_are_independent(self, service: TweetService) -> None:
        bob = await tweets_of(service, BOB, 1)
        ada = await tweets_of(service, ADA, 5)
        await tweets_of(service, CAT, 2)
        pages = await service.timelines([ADA.id, BOB.id, CAT.id], PageRequest(2, ada[1].id))
        assert pages == {
            ADA.id: Page(ada[2:4], has_next=True, has_previous=True),
            BOB.id: Page(bob),
            CAT.id: Page([], has_previous=True),
        }


class Retweeted:
    async def test_only_own_retweets_are_returned(self, service: TweetService) -> None:
        mine, theirs, neither = await tweets_of(service, ADA, 3)
        await service.retweet(BOB, mine.id)
        await service.retweet(CAT, theirs.id)
        assert set(await service.retweeted(BOB.id, [mine.id, theirs.id, neither.id])) == {mine.id}


def item(position: int, tweet: Tweet, actor: Author | None = None) -> FeedItem:
    kind = FeedKind.RETWEETED if actor else FeedKind.TWEETED
    return FeedItem(position, kind, actor or tweet.author, tweet)


class Feeds:
    async def test_own_tweets_and_their_retweets_are_items(self, service: TweetService) -> None:
        first, second = (await tweets_of(service, ADA, 2))[::-1]
        counted = (await service.retweet(BOB, first.id)).original
        assert await service.feed(ADA.id, 0) == FeedPage(
            [item(1, counted), item(2, second), item(3, counted, BOB)], 3, is_last=True
        )

    async def test_retweet_of_own_tweet_is_no_item(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        await service.retweet(ADA, tweet.id)
        await service.retweet(BOB, tweet.id)
        assert [item.actor for item in (await service.feed(ADA.id, 0)).items] == [ADA, BOB]
        assert await service.feed(BOB.id, 0) == FeedPage([], 0, is_last=True)

    async def test_second_retweet_takes_no_position(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        for _ in range(2):
            await service.retweet(BOB, tweet.id)
        assert await service.feed_heads([ADA.id]) == {ADA.id: 2}

    async def test_page_starts_after_the_given_position(self, service: TweetService) -> None:
        tweets = (await tweets_of(service, ADA, 3))[::-1]
        assert (await service.feed(ADA.id, 2)).items == [item(3, tweets[2])]
        assert await service.feed(ADA.id, 3) == FeedPage([], 3, is_last=True)

    async def test_long_feed_has_several_pages(self, service: TweetService) -> None:
        await tweets_of(service, ADA, 102)
        first = await service.feed(ADA.id, 0)
        assert (len(first.items), first.position, first.is_last) == (100, 100, False)
        rest = await service.feed(ADA.id, first.position)
        assert (len(rest.items), rest.position, rest.is_last) == (2, 102, True)

    async def test_item_is_found_by_its_position(self, service: TweetService) -> None:
        first, second = (await tweets_of(service, ADA, 2))[::-1]
        assert await service.feed_item(ADA.id, 1) == item(1, first)
        assert await service.feed_item(ADA.id, 2) == item(2, second)
        await service.delete_tweet(ADA.id, first.id)
        assert await service.feed_item(ADA.id, 1) is None
        assert await service.feed_item(BOB.id, 2) is None

    @pytest.mark.parametrize("position", [0, 3, 2**63 - 1])
    async def test_position_without_an_item_has_none(
        self, service: TweetService, position: int
    ) -> None:
        await tweets_of(service, ADA, 2)
        assert await service.feed_item(ADA.id, position) is None

    async def test_position_of_a_deleted_tweet_is_not_used_again(
        self, service: TweetService
    ) -> None:
        kept, last = await service.create_tweet(ADA, "Hi"), await service.create_tweet(ADA, "Ho")
        await service.retweet(BOB, kept.id)
        await service.undo_retweet(BOB.id, kept.id)
        await service.delete_tweet(ADA.id, last.id)
        assert await service.feed(ADA.id, 0) == FeedPage([item(1, kept)], 3, is_last=True)

    async def test_retweet_after_undoing_is_a_new_item(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        await service.retweet(BOB, tweet.id)
        await service.undo_retweet(BOB.id, tweet.id)
        again = await service.retweet(BOB, tweet.id)
        assert (await service.feed(ADA.id, 2)).items == [item(3, again.original, BOB)]

    async def test_repeated_key_adds_no_item(self, service: TweetService) -> None:
        tweets = [await service.create_tweet(ADA, "Hi", "key") for _ in range(2)]
        assert (await service.feed(ADA.id, 0)).items == [item(1, tweets[0])]

    async def test_each_feed_has_its_own_head(self, service: TweetService) -> None:
        await tweets_of(service, ADA, 2)
        await tweets_of(service, BOB, 1)
        heads = await service.feed_heads([ADA.id, BOB.id, CAT.id])
        assert heads == {ADA.id: 2, BOB.id: 1, CAT.id: 0}

    async def test_deleted_account_has_no_feed(self, service: TweetService) -> None:
        await tweets_of(service, ADA, 2)
        await service.forget_user(ADA.id)
        assert await service.feed_heads([ADA.id]) == {ADA.id: 0}
        assert await service.feed(ADA.id, 0) == FeedPage([], 0, is_last=True)


class Snapshot:
    """The events that a service without any state asks for."""

    async def test_holds_the_events_of_existing_tweets(
        self, service: TweetService, events: Events
    ) -> None:
        await service.create_tweet(ADA, "Hello")
        await service.create_tweet(BOB, "Hi")
        known = {str(event.id): event for event in await events()}
        found = await pages(service, 10)
        assert [event for _, event in found] == [known[str(event.id)] for _, event in found]
        assert len(found) == 2

    async def test_retweet_has_the_current_count(
        self, service: TweetService, events: Events
    ) -> None:
        tweet = await service.create_tweet(ADA, "Hello")
        for author in (BOB, CAT):
            await service.retweet(author, tweet.id)
        retweets = [e for _, e in await pages(service, 10) if e.type == "tweet-retweeted"]
        assert [event.data["retweetCount"] for event in retweets] == [2, 2]
        ids = [event.id for event in await events() if event.type == "tweet-retweeted"]
        assert {event.id for event in retweets} == set(ids)

    async def test_holds_the_events_of_deletions(
        self, service: TweetService, events: Events
    ) -> None:
        tweet, other = await tweets_of(service, ADA, 2)
        await service.retweet(BOB, other.id)
        await service.undo_retweet(BOB.id, other.id)
        await service.delete_tweet(ADA.id, tweet.id)
        deletions = [e for e in await events() if e.type in {"tweet-deleted", "retweet-undone"}]
        found = [event for _, event in await pages(service, 10)]
        assert {e.id: e for e in found if e.type != "tweet-created"} == {
            event.id: event for event in deletions
        }
        assert [e.data["tweetId"] for e in found if e.type == "tweet-created"] == [str(other.id)]

    async def test_pages_hold_every_tweet_in_order_of_ids(self, service: TweetService) -> None:
        tweets = await tweets_of(service, ADA, 5)
        await service.delete_tweet(ADA.id, tweets[2].id)
        found = [tweet_id for tweet_id, _ in await pages(service, 2)]
        assert found == sorted(tweet.id for tweet in tweets)


async def pages(service: TweetService, size: int) -> list[tuple[UUID, Event]]:
    """Return the whole snapshot."""
    found: list[tuple[UUID, Event]] = []
    while page := await service.snapshot(found[-1][0] if found else UUID(int=0), size):
        found += page
    return found
