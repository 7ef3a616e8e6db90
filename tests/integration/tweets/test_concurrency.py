"""Concurrent changes of the same tweets, on PostgreSQL through a pool."""

import asyncio
import random
from collections.abc import Awaitable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from chassis.database import Database
from chassis.errors import SessionEnded
from chassis.paging import PageRequest
from chassis.text import count_characters, is_visible
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.tweets.domain import Author, Tweet
from subgraphs.tweets.errors import IdempotencyKeyReused, TweetNotFound
from subgraphs.tweets.repository import SqlRepositories
from subgraphs.tweets.service import TweetService
from tests.integration.conftest import outbox
from tests.integration.tweets.interleaving import UseCase, interleaved
from tests.unit.tweets.fakes import ADA
from tests.unit.tweets.service_suite import ProcessDied, replayed

CROWD = [Author(UUID(int=n), f"user{n}") for n in range(1, 31)]


@pytest.fixture
def service(database: Database) -> TweetService:
    return TweetService(
        unit_of_work=SqlUnitOfWork(database, SqlRepositories.on),
        count_characters=count_characters,
        is_visible=is_visible,
        now=lambda: datetime.now(UTC),
        new_id=uuid7,
    )


async def wrong_counts(database: Database) -> list[object]:
    """Return the originals whose count is not the number of their retweets."""
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
    """Return the retweet count of each original."""
    rows = await database.read(
        lambda c: c.fetch_all("SELECT id, retweet_count FROM tweets WHERE retweet_of IS NULL")
    )
    return {str(row["id"]): row["retweet_count"] for row in rows}


async def count(service: TweetService, tweet: Tweet) -> int:
    return (await service.tweets([tweet.id]))[tweet.id].retweet_count


class TestRetweet:
    async def test_concurrent_retweets_are_all_counted(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        await asyncio.gather(*(service.retweet(author, tweet.id) for author in CROWD))
        assert await count(service, tweet) == len(CROWD)

    async def test_concurrent_retweets_of_one_user_are_counted_once(
        self, service: TweetService
    ) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        retweets = await asyncio.gather(*(service.retweet(CROWD[0], tweet.id) for _ in range(30)))
        assert len({retweet.id for retweet in retweets}) == 1
        assert await count(service, tweet) == 1


class TestUndoRetweet:
    async def test_concurrent_undoings_of_one_user_are_counted_once(
        self, service: TweetService
    ) -> None:
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
    async def test_counts_match_the_retweets(
        self, service: TweetService, database: Database
    ) -> None:
        chance = random.Random(7)
        tweets = [await service.create_tweet(ADA, f"Number {n}") for n in range(6)]
        doomed = tweets[:2]

        async def act(author: Author) -> list[object]:
            tweet = chance.choice(tweets)
            # Also by the id of a retweet, which may be removed at any moment.
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
    async def test_counts_match_after_concurrent_account_deletions(
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
        deleted = [author.id for author in CROWD[:3]]
        pages = await service.timelines(deleted, PageRequest(1))
        assert not any(page.items for page in pages.values())


def writes(ada: Author, bob: Author, adas: Tweet, bobs: Tweet, third: Tweet) -> list[UseCase]:
    """Return writes of two users, and the deletion of the first user's account as the last."""
    return [
        lambda service: service.create_tweet(ada, "Late"),
        lambda service: service.retweet(ada, bobs.id),
        lambda service: service.retweet(bob, adas.id),
        lambda service: service.undo_retweet(ada.id, third.id),
        lambda service: service.retweet(ada, adas.id),
        lambda service: service.forget_user(ada.id),
    ]


DELETION = 5
# A use case and how many statements it executes next. A deletion takes about twenty.
_TURNS = st.lists(
    st.tuples(st.integers(0, DELETION), st.sampled_from([1, 1, 2, 3, 5, 25])), max_size=15
)
Turns = list[tuple[int, int]]


def while_open(use_case: int, *, statements: int) -> Turns:
    """Return the turns in which the deletion runs while the use case has an open transaction."""
    return [(use_case, statements), (DELETION, 25)]


class TestDeletedAccount:
    async def check(
        self,
        service: TweetService,
        database: Database,
        turns: Turns,
        *,
        has_tweeted: bool,
        killed: int | None = None,
    ) -> None:
        ada, bob = Author(uuid7(), "ada"), Author(uuid7(), "bob")
        owner = ada if has_tweeted else bob
        adas = await service.create_tweet(owner, "Hi")
        bobs, third = [await service.create_tweet(bob, f"Number {n}") for n in range(2)]
        await service.retweet(ada, third.id)
        order = [turn for turn, times in turns for _ in range(times)]
        outcomes = await interleaved(
            database, service, writes(ada, bob, adas, bobs, third), order, killed=killed
        )
        kinds = {type(None), Tweet, TweetNotFound, SessionEnded}
        assert {type(outcome) for outcome in outcomes} <= kinds | {ProcessDied}
        if isinstance(outcomes[DELETION], ProcessDied):
            # The event was not acked, so it is delivered again.
            await service.forget_user(ada.id)
        page = (await service.timelines([ada.id], PageRequest(1)))[ada.id]
        assert page.items == []
        assert await wrong_counts(database) == []
        assert replayed(await outbox(database)) == await counts(database)
        assert [await count(service, tweet) for tweet in (bobs, third)] == [0, 0]

    @given(turns=_TURNS, has_tweeted=st.booleans())
    @example(turns=while_open(0, statements=1), has_tweeted=True)
    @example(turns=while_open(0, statements=1), has_tweeted=False)
    @example(turns=while_open(1, statements=1), has_tweeted=True)
    @example(turns=while_open(1, statements=2), has_tweeted=True)
    @example(turns=while_open(1, statements=2), has_tweeted=False)
    @example(turns=while_open(2, statements=2), has_tweeted=True)
    @example(turns=[(DELETION, 4), (0, 3), (1, 4), (4, 4), (DELETION, 25)], has_tweeted=True)
    @settings(
        max_examples=30,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    async def test_no_tweet_remains_for_any_order_of_statements(
        self, service: TweetService, database: Database, turns: Turns, has_tweeted: bool
    ) -> None:
        await self.check(service, database, turns, has_tweeted=has_tweeted)

    @given(turns=_TURNS, killed=st.integers(0, DELETION))
    @settings(
        max_examples=30,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    async def test_no_tweet_remains_when_any_process_dies(
        self, service: TweetService, database: Database, turns: Turns, killed: int
    ) -> None:
        await self.check(service, database, turns, has_tweeted=True, killed=killed)

    async def test_no_tweet_remains_after_random_concurrent_writes(
        self, service: TweetService, database: Database
    ) -> None:
        chance = random.Random(11)
        tweets = [await service.create_tweet(author, "Hi") for author in CROWD[:8]]
        leaving = CROWD[:3]

        async def write() -> object:
            author, tweet = chance.choice(CROWD[:8]), chance.choice(tweets)
            if chance.random() < 0.4:
                return await service.create_tweet(author, "Ho")
            return await service.retweet(author, tweet.id)

        results = await asyncio.gather(
            *(write() for _ in range(60)),
            *(service.forget_user(author.id) for author in leaving for _ in range(2)),
            *(write() for _ in range(200)),
            return_exceptions=True,
        )
        kinds = {type(result) for result in results}
        assert kinds <= {type(None), Tweet, TweetNotFound, SessionEnded}
        assert SessionEnded in kinds
        pages = await service.timelines([author.id for author in leaving], PageRequest(1))
        assert not any(page.items for page in pages.values())
        assert await wrong_counts(database) == []
        assert replayed(await outbox(database)) == await counts(database)


class TestCreateTweet:
    async def test_concurrent_uses_of_a_key_create_one_tweet(
        self, service: TweetService, database: Database
    ) -> None:
        tweets = await asyncio.gather(*(service.create_tweet(ADA, "Hi", "key") for _ in range(30)))
        assert len({tweet.id for tweet in tweets}) == 1
        assert await database.read(lambda c: c.fetch_val("SELECT count(*) FROM tweets")) == 1

    async def test_one_of_two_concurrent_texts_with_one_key_is_refused(
        self, service: TweetService
    ) -> None:
        first, second = await asyncio.gather(
            service.create_tweet(ADA, "Hi", "key"),
            service.create_tweet(ADA, "Ho", "key"),
            return_exceptions=True,
        )
        assert {type(first), type(second)} == {Tweet, IdempotencyKeyReused}

    async def test_key_is_free_after_concurrent_creations_and_deletions(
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
    async def test_retweets_concurrent_with_the_deletion_do_not_remain(
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
