"""The number of SQL statements of an operation: the same for one row as for fifty."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from chassis.database import Database
from chassis.principal import Principal
from chassis.text import count_characters, is_visible
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.tweets.context import TweetsContext
from subgraphs.tweets.domain import Author, Tweet
from subgraphs.tweets.feed import Feed
from subgraphs.tweets.repository import SqlRepositories
from subgraphs.tweets.schema import build_schema
from subgraphs.tweets.service import TweetService
from subgraphs.tweets.subscriptions import Subscriptions
from tests.unit.tweets.fakes import ADA, BOB, CAT

SCHEMA = build_schema()
VIEWER = Principal(
    user_id=ADA.id,
    username=ADA.username,
    scopes=frozenset({"tweets:read", "tweets:write"}),
    session_id=ADA.id,
    expires_at=datetime(2100, 1, 1, tzinfo=UTC),
)


class Counted:
    """The service on a database that records its statements."""

    def __init__(self, url: str) -> None:
        self.statements: list[str] = []
        self.database = Database(url, on_acquire=self._watch)
        self.service = TweetService(
            unit_of_work=SqlUnitOfWork(self.database, SqlRepositories.on),
            count_characters=count_characters,
            is_visible=is_visible,
            now=lambda: datetime.now(UTC),
            new_id=uuid7,
        )

    async def ask(self, document: str, **variables: object) -> dict[str, Any]:
        """Execute a document without errors; afterwards `statements` holds its statements."""
        self.statements.clear()
        context = TweetsContext(
            principal=VIEWER,
            client_address="",
            user_agent="",
            service=self.service,
            feed=Feed(Mock(), self.service, Subscriptions()),
        )
        result = await SCHEMA.execute(document, variables, context_value=context)
        await asyncio.sleep(0)  # the driver calls its loggers in the next turn
        assert result.errors is None
        assert result.data is not None
        return result.data

    async def _watch(self, connection: "asyncpg.Connection[Any]") -> None:
        connection.add_query_logger(self._log)

    def _log(self, record: Any) -> None:
        # The driver's own statements (types, state of the connection) do not name this table.
        if "tweets" in record.query:
            self.statements.append(record.query)


@pytest.fixture
async def counted(database: Database, tweets_url: str) -> AsyncIterator[Counted]:
    counted = Counted(tweets_url)
    await counted.database.connect()
    yield counted
    await counted.database.disconnect()


class TestEntities:
    TWEETS = """
    query ($them: [_Any!]!) {
      _entities(representations: $them) {
        ... on Tweet {
          text author { username } viewerHasRetweeted
          retweetOf { text viewerHasRetweeted author { username } }
        }
      }
    }
    """
    USERS = """
    query ($them: [_Any!]!) {
      _entities(representations: $them) {
        ... on User { id tweets(first: 2) { edges { node { text author { username } } } } }
      }
    }
    """

    @pytest.mark.parametrize("number", [1, 50])
    async def test_tweets_take_two_statements(self, counted: Counted, number: int) -> None:
        originals = [await counted.service.create_tweet(BOB, f"Number {n}") for n in range(number)]
        them = [
            {"__typename": "Tweet", "id": str(tweet.id)}
            for original in originals
            for tweet in (original, await counted.service.retweet(ADA, original.id))
        ][:number]
        data = await counted.ask(self.TWEETS, them=them)
        assert len([found for found in data["_entities"] if found["text"]]) == number
        assert len(counted.statements) == 2

    @pytest.mark.parametrize("number", [1, 50])
    async def test_timelines_of_users_take_one_statement(
        self, counted: Counted, number: int
    ) -> None:
        authors = [Author(UUID(int=n), f"user{n}") for n in range(1, number + 1)]
        for author in authors:
            for n in range(3):
                await counted.service.create_tweet(author, f"Number {n}")
        them = [{"__typename": "User", "id": str(author.id)} for author in authors]
        data = await counted.ask(self.USERS, them=them)
        assert [
            [edge["node"]["author"]["username"] for edge in user["tweets"]["edges"]]
            for user in data["_entities"]
        ] == [[author.username] * 2 for author in authors]
        assert len(counted.statements) == 1

    async def test_ids_of_users_take_no_statement(self, counted: Counted) -> None:
        them = [{"__typename": "User", "id": str(ADA.id)}]
        data = await counted.ask(
            "query ($them: [_Any!]!) { _entities(representations: $them) { ... on User { id } } }",
            them=them,
        )
        assert data["_entities"] == [{"id": str(ADA.id)}]
        assert counted.statements == []


class TestMyTweets:
    DOCUMENT = """
    {
      myTweets {
        edges {
          cursor
          node {
            text createdAt retweetCount viewerHasRetweeted author { id username }
            retweetOf { id text retweetCount viewerHasRetweeted author { id username } }
          }
        }
        pageInfo { hasNextPage hasPreviousPage endCursor }
      }
    }
    """

    @pytest.mark.parametrize("number", [1, 20])
    async def test_page_takes_two_statements(self, counted: Counted, number: int) -> None:
        for n in range(number):
            tweet = await counted.service.create_tweet(BOB, f"Number {n}")
            await counted.service.retweet(ADA, tweet.id)
        data = await counted.ask(self.DOCUMENT)
        assert len(data["myTweets"]["edges"]) == number
        assert len(counted.statements) == 2

    async def test_viewer_has_retweeted_is_read_only_if_selected(self, counted: Counted) -> None:
        await counted.service.create_tweet(ADA, "Hi")
        await counted.ask(self.DOCUMENT.replace("viewerHasRetweeted", ""))
        assert len(counted.statements) == 1


class TestRetweet:
    async def statements(self, counted: Counted, tweet: Tweet) -> int:
        counted.statements.clear()
        await counted.service.retweet(ADA, tweet.id)
        return len(counted.statements)

    async def test_retweet_of_an_original_takes_two_statements(self, counted: Counted) -> None:
        tweet = await counted.service.create_tweet(BOB, "Hi")
        assert await self.statements(counted, tweet) == 2

    async def test_retweet_of_a_retweet_takes_three_statements(self, counted: Counted) -> None:
        tweet = await counted.service.create_tweet(BOB, "Hi")
        retweet = await counted.service.retweet(CAT, tweet.id)
        assert await self.statements(counted, retweet) == 3
