"""What many callers do to the same tweet at the same time, on PostgreSQL through a pool."""

import asyncio
import random
from collections.abc import Awaitable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from chassis.database import Database
from chassis.events import Event
from chassis.text import count_characters, is_visible
from subgraphs.tweets.domain import Author, PageRequest, Tweet
from subgraphs.tweets.errors import IdempotencyKeyReused, TweetNotFound
from subgraphs.tweets.repository import SqlUnitOfWork
from subgraphs.tweets.service import TweetService
from tests.integration.conftest import outbox
from tests.unit.tweets.fakes import ADA

CROWD = [Author(UUID(int=n), f"user{n}") for n in range(1, 31)]


@pytest.fixture
def service(database: Database) -> TweetService:
    return TweetService(
        unit_of_work=SqlUnitOfWork(database, lambda: None),
        count_characters=count_characters,
        is_visible=is_visible,
        now=lambda: datetime.now(UTC),
        new_id=uuid7,
    )


async def wrong_counts(database: Database) -> list[object]:
    """The originals whose count is not the number of their retweets."""
    return [
        row["id"]
        for row in await database.read(
            lambda connection: connection.fetch_all(
                """
                SELECT id FROM tweets t WHERE retweet_of IS NULL AND retweet_count <>
                    (SELECT count(*) FROM tweets r WHERE r.retweet_of = t.id)
                """
            )
        )
    ]


async def counts(database: Database) -> dict[str, int]:
    """The originals and how often each is retweeted."""
    rows = await database.read(
        lambda c: c.fetch_all("SELECT id, retweet_count FROM tweets WHERE retweet_of IS NULL")
    )
    return {str(row["id"]): row["retweet_count"] for row in rows}


def replayed(events: list[Event]) -> dict[str, int]:
    """The same, as somebody sees it who hears only of events, each of which has to fit."""
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


async def count(service: TweetService, tweet: Tweet) -> int:
    return (await service.tweets([tweet.id]))[tweet.id].retweet_count


class TestRetweet:
    async def test_every_one_of_a_crowd_counts(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        await asyncio.gather(*(service.retweet(author, tweet.id) for author in CROWD))
        assert await count(service, tweet) == len(CROWD)

    async def test_somebody_in_a_hurry_counts_once(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        retweets = await asyncio.gather(*(service.retweet(CROWD[0], tweet.id) for _ in range(30)))
        assert len({retweet.id for retweet in retweets}) == 1
        assert await count(service, tweet) == 1


class TestUndoRetweet:
    async def test_somebody_in_a_hurry_counts_once(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        await service.retweet(CROWD[0], tweet.id)
        retweet = await service.retweet(CROWD[1], tweet.id)
        await asyncio.gather(
            *(service.undo_retweet(CROWD[1].id, tweet.id) for _ in range(15)),
            *(service.delete_tweet(CROWD[1].id, retweet.id) for _ in range(15)),
            return_exceptions=True,
        )
        assert await count(service, tweet) == 1


class TestAllAtOnce:
    async def test_the_counts_stay_right(self, service: TweetService, database: Database) -> None:
        chance = random.Random(7)
        tweets = [await service.create_tweet(ADA, f"Number {n}") for n in range(6)]
        doomed = tweets[:2]

        async def act(author: Author) -> list[object]:
            tweet = chance.choice(tweets)
            # Also under the id of somebody's retweet, which may be gone any moment.
            target = (await service.retweet(author, tweet.id)).id
            actions: list[Awaitable[object]] = [
                service.retweet(chance.choice(CROWD), target),
                service.undo_retweet(chance.choice(CROWD).id, tweet.id),
                service.undo_retweet(author.id, target),
                service.delete_tweet(author.id, target),
                service.create_tweet(author, "Hi"),
            ]
            return await asyncio.gather(*actions, return_exceptions=True)

        results = await asyncio.gather(
            *(act(chance.choice(CROWD)) for _ in range(150)),
            *(service.delete_tweet(ADA.id, tweet.id) for tweet in doomed),
            return_exceptions=True,
        )
        outcomes = [o for r in results for o in (r if isinstance(r, list) else [r])]
        assert {type(outcome) for outcome in outcomes} <= {type(None), Tweet, TweetNotFound}
        assert await wrong_counts(database) == []
        assert replayed(await outbox(database)) == await counts(database)
        assert set(await service.tweets([tweet.id for tweet in tweets])) == {
            tweet.id for tweet in tweets[2:]
        }


class TestForgetUser:
    async def test_people_who_go_while_others_are_busy_leave_the_counts_right(
        self, service: TweetService, database: Database
    ) -> None:
        tweets = [
            await service.create_tweet(author, f"Number {n}")
            for n in range(5)
            for author in CROWD[:6]
        ]
        await asyncio.gather(
            *(service.retweet(author, tweet.id) for author in CROWD[:12] for tweet in tweets)
        )
        results = await asyncio.gather(
            *(service.forget_user(author.id) for author in CROWD[:3]),
            *(service.retweet(author, tweet.id) for author in CROWD[12:18] for tweet in tweets),
            *(
                service.undo_retweet(author.id, tweet.id)
                for author in CROWD[8:]
                for tweet in tweets
            ),
            return_exceptions=True,
        )
        assert {type(result) for result in results} <= {type(None), Tweet, TweetNotFound}
        assert await wrong_counts(database) == []
        assert replayed(await outbox(database)) == await counts(database)
        gone = [author.id for author in CROWD[:3]]
        pages = await service.timelines(gone, PageRequest(1))
        assert not any(page.tweets for page in pages.values())


class TestCreateTweet:
    async def test_one_key_makes_one_tweet(self, service: TweetService, database: Database) -> None:
        tweets = await asyncio.gather(*(service.create_tweet(ADA, "Hi", "key") for _ in range(30)))
        assert len({tweet.id for tweet in tweets}) == 1
        assert await database.read(lambda c: c.fetch_val("SELECT count(*) FROM tweets")) == 1

    async def test_of_two_texts_with_one_key_one_is_refused(self, service: TweetService) -> None:
        first, second = await asyncio.gather(
            service.create_tweet(ADA, "Hi", "key"),
            service.create_tweet(ADA, "Ho", "key"),
            return_exceptions=True,
        )
        assert {type(first), type(second)} == {Tweet, IdempotencyKeyReused}

    async def test_a_key_is_used_and_freed_in_a_storm(
        self, service: TweetService, database: Database
    ) -> None:
        async def create_and_delete() -> None:
            tweet = await service.create_tweet(ADA, "Hi", "key")
            await service.delete_tweet(ADA.id, tweet.id)

        results = await asyncio.gather(
            *(create_and_delete() for _ in range(50)), return_exceptions=True
        )
        assert {type(result) for result in results} <= {type(None), TweetNotFound}
        assert await database.read(lambda c: c.fetch_val("SELECT count(*) FROM tweets")) == 0


class TestDeleteTweet:
    async def test_a_retweet_that_comes_too_late_finds_nothing(
        self, service: TweetService, database: Database
    ) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        results = await asyncio.gather(
            *(service.retweet(author, tweet.id) for author in CROWD),
            service.delete_tweet(ADA.id, tweet.id),
            *(service.retweet(author, tweet.id) for author in CROWD),
            return_exceptions=True,
        )
        assert {type(result) for result in results} <= {type(None), Tweet, TweetNotFound}
        assert await database.read(lambda c: c.fetch_val("SELECT count(*) FROM tweets")) == 0
