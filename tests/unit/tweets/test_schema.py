"""The tweets subgraph, executed in process on fake repositories."""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NoReturn, cast
from unittest.mock import Mock
from uuid import UUID

import pytest

from chassis.principal import Principal
from subgraphs.tweets.context import TweetsContext
from subgraphs.tweets.domain import Author
from subgraphs.tweets.feed import Feed
from subgraphs.tweets.schema import build_schema
from subgraphs.tweets.service import TweetService
from subgraphs.tweets.subscriptions import Subscriptions
from tests.unit.tweets.fakes import (
    ADA,
    BOB,
    NOBODY,
    FakeTweetRepository,
    FakeUnitOfWork,
)

SCHEMA = build_schema()
ALL = frozenset({"tweets:read", "tweets:write"})

Answer = dict[str, Any]
Ask = Callable[..., Awaitable[Answer]]


def principal(author: Author, scopes: frozenset[str] = ALL) -> Principal:
    return Principal(
        user_id=author.id,
        username=author.username,
        scopes=scopes,
        session_id=NOBODY,
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    )


AS_ADA = principal(ADA)


def context_of(caller: Principal | None, service: TweetService) -> TweetsContext:
    return TweetsContext(
        principal=caller,
        client_address="",
        user_agent="",
        service=service,
        feed=Feed(Mock(), service, Subscriptions()),
    )


@pytest.fixture
def execute(service: TweetService) -> Ask:
    """Execute a document for a caller and return its data and errors."""

    async def run(document: str, caller: Principal | None = AS_ADA, **variables: object) -> Answer:
        context = context_of(caller, service)
        result = await SCHEMA.execute(document, variables, context_value=context)
        return {"data": result.data, "errors": [e.formatted for e in result.errors or []]}

    return run


@pytest.fixture
def ask(execute: Ask) -> Ask:
    """Execute a document that has no errors and return its data."""

    async def run(*args: Any, **kwargs: Any) -> Answer:
        answer = await execute(*args, **kwargs)
        assert answer["errors"] == []
        data: Answer = answer["data"]
        return data

    return run


def code(answer: Answer) -> str:
    (error,) = answer["errors"]
    return str(error["extensions"]["code"])


CREATE = """
mutation ($text: String!, $key: String) {
  createTweet(input: {text: $text, idempotencyKey: $key}) {
    __typename
    ... on Tweet {
      id text author { id username } retweetCount retweetOf { id } viewerHasRetweeted
    }
    ... on Error { message }
  }
}
"""
DELETE = """
mutation ($id: ID!) {
  deleteTweet(id: $id) { __typename ... on TweetDeleted { id } ... on Error { message } }
}
"""
RETWEET = """
mutation ($id: ID!) {
  retweet(tweetId: $id) {
    __typename
    ... on Tweet { id text author { username } retweetCount viewerHasRetweeted retweetOf { id } }
    ... on Error { message }
  }
}
"""
UNDO = """
mutation ($id: ID!) {
  undoRetweet(tweetId: $id) {
    __typename
    ... on Tweet { id retweetCount viewerHasRetweeted }
    ... on Error { message }
  }
}
"""
MY_TWEETS = """
query ($first: Int! = 20, $after: String) {
  myTweets(first: $first, after: $after) {
    edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""


class TestCreateTweet:
    async def test_caller_is_the_author(self, ask: Ask) -> None:
        assert (await ask(CREATE, text=" Hi "))["createTweet"] == {
            "__typename": "Tweet",
            "id": str(UUID(int=1)),
            "text": "Hi",
            "author": {"id": str(ADA.id), "username": "ada"},
            "retweetCount": 0,
            "retweetOf": None,
            "viewerHasRetweeted": False,
        }

    async def test_invalid_text_is_an_error_value(self, ask: Ask) -> None:
        assert (await ask(CREATE, text="a" * 281))["createTweet"] == {
            "__typename": "InvalidTweetError",
            "message": "Text must have at most 280 characters; it has 281.",
        }

    async def test_invalid_key_is_an_error_value(self, ask: Ask) -> None:
        answer = await ask(CREATE, text="Hi", key="")
        assert answer["createTweet"]["__typename"] == "InvalidTweetError"

    async def test_reused_key_is_an_error_value(self, ask: Ask) -> None:
        first = await ask(CREATE, text="Hi", key="k")
        assert await ask(CREATE, text="Hi", key="k") == first
        answer = await ask(CREATE, text="Ho", key="k")
        assert answer["createTweet"]["__typename"] == "IdempotencyKeyReusedError"


class TestDeleteTweet:
    async def test_deleted_id_is_returned(self, ask: Ask, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        assert (await ask(DELETE, id=str(tweet.id)))["deleteTweet"] == {
            "__typename": "TweetDeleted",
            "id": str(tweet.id),
        }

    async def test_tweet_of_another_user_is_an_error_value(
        self, ask: Ask, service: TweetService
    ) -> None:
        tweet = await service.create_tweet(BOB, "Hi")
        answer = await ask(DELETE, id=str(tweet.id))
        assert answer["deleteTweet"]["__typename"] == "NotTweetAuthorError"

    @pytest.mark.parametrize("tweet_id", [str(NOBODY), "1", ""])
    async def test_unknown_tweet_is_an_error_value(self, ask: Ask, tweet_id: str) -> None:
        answer = await ask(DELETE, id=tweet_id)
        assert answer["deleteTweet"]["__typename"] == "TweetNotFoundError"


class TestRetweet:
    async def test_retweet_shows_the_original(self, ask: Ask, service: TweetService) -> None:
        tweet = await service.create_tweet(BOB, "Hi")
        assert (await ask(RETWEET, id=str(tweet.id)))["retweet"] == {
            "__typename": "Tweet",
            "id": str(UUID(int=2)),
            "text": "Hi",
            "author": {"username": "ada"},
            "retweetCount": 1,
            "viewerHasRetweeted": True,
            "retweetOf": {"id": str(tweet.id)},
        }

    @pytest.mark.parametrize("tweet_id", [str(NOBODY), "1"])
    async def test_unknown_tweet_is_an_error_value(self, ask: Ask, tweet_id: str) -> None:
        answer = await ask(RETWEET, id=tweet_id)
        assert answer["retweet"]["__typename"] == "TweetNotFoundError"


class TestUndoRetweet:
    async def test_original_is_returned(self, ask: Ask, service: TweetService) -> None:
        tweet = await service.create_tweet(BOB, "Hi")
        await service.retweet(ADA, tweet.id)
        assert (await ask(UNDO, id=str(tweet.id)))["undoRetweet"] == {
            "__typename": "Tweet",
            "id": str(tweet.id),
            "retweetCount": 0,
            "viewerHasRetweeted": False,
        }

    @pytest.mark.parametrize("tweet_id", [str(NOBODY), "1"])
    async def test_unknown_tweet_is_an_error_value(self, ask: Ask, tweet_id: str) -> None:
        answer = await ask(UNDO, id=tweet_id)
        assert answer["undoRetweet"]["__typename"] == "TweetNotFoundError"

    async def test_later_mutation_of_a_document_sees_the_earlier_one(
        self, ask: Ask, service: TweetService
    ) -> None:
        tweet = await service.create_tweet(BOB, "Hi")
        answer = await ask(
            """
            mutation ($id: ID!) {
              before: undoRetweet(tweetId: $id) { ... on Tweet { viewerHasRetweeted } }
              retweet(tweetId: $id) { ... on Tweet { viewerHasRetweeted } }
              after: undoRetweet(tweetId: $id) { ... on Tweet { viewerHasRetweeted } }
            }
            """,
            id=str(tweet.id),
        )
        assert [field["viewerHasRetweeted"] for field in answer.values()] == [False, True, False]


class TestTweet:
    DOCUMENT = "query ($id: ID!) { tweet(id: $id) { text createdAt } }"

    async def test_tweet_is_found(self, ask: Ask, service: TweetService) -> None:
        tweet = await service.create_tweet(BOB, "Hi")
        assert (await ask(self.DOCUMENT, id=str(tweet.id)))["tweet"] == {
            "text": "Hi",
            "createdAt": "2026-01-01T00:00:00+00:00",
        }

    @pytest.mark.parametrize("tweet_id", [str(NOBODY), "1", "", "0" * 33])
    async def test_unknown_or_malformed_id_is_null(self, ask: Ask, tweet_id: str) -> None:
        assert await ask(self.DOCUMENT, id=tweet_id) == {"tweet": None}


class TestMyTweets:
    async def test_cursors_lead_through_all_pages(self, ask: Ask, service: TweetService) -> None:
        ids = [str((await service.create_tweet(ADA, "Hi")).id) for _ in range(5)][::-1]
        await service.create_tweet(BOB, "Ho")
        after, seen = None, []
        pages: list[Answer] = []
        while not pages or pages[-1]["hasNextPage"]:
            page = (await ask(MY_TWEETS, first=2, after=after))["myTweets"]
            seen += [edge["node"]["id"] for edge in page["edges"]]
            assert page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"]
            after = page["pageInfo"]["endCursor"]
            assert after == page["edges"][-1]["cursor"]
            pages.append(page["pageInfo"])
        assert seen == ids
        assert [page["hasPreviousPage"] for page in pages] == [False, True, True]

    async def test_empty_timeline_has_no_cursors(self, ask: Ask) -> None:
        assert (await ask(MY_TWEETS))["myTweets"] == {
            "edges": [],
            "pageInfo": {
                "hasNextPage": False,
                "hasPreviousPage": False,
                "startCursor": None,
                "endCursor": None,
            },
        }

    @pytest.mark.parametrize("first", [1, 100])
    async def test_1_to_100_tweets_can_be_requested(self, ask: Ask, first: int) -> None:
        assert await ask(MY_TWEETS, first=first)

    @pytest.mark.parametrize("first", [0, -1, 101])
    async def test_other_numbers_of_tweets_are_bad_input(self, execute: Ask, first: int) -> None:
        assert code(await execute(MY_TWEETS, first=first)) == "BAD_USER_INPUT"

    @pytest.mark.parametrize(
        "after",
        [
            "",
            "x",
            "é",
            "====",
            str(NOBODY),
            urlsafe_b64encode(NOBODY.bytes[:15]).decode().rstrip("="),
            urlsafe_b64encode(NOBODY.bytes + b"x").decode().rstrip("="),
            urlsafe_b64encode(NOBODY.bytes).decode(),
            "AAAA AAAAAAAAAAAAAAAAAA",
        ],
    )
    async def test_malformed_cursor_is_bad_input(self, execute: Ask, after: str) -> None:
        assert code(await execute(MY_TWEETS, after=after)) == "BAD_USER_INPUT"


class TestScopes:
    READS = (
        "{ tweet(id: 1) { id } }",
        "{ myTweets { edges { cursor } } }",
        '{ _entities(representations: [{__typename: "Tweet", id: "1"}]) { __typename } }',
        """
        {
          _entities(representations: [
            {__typename: "User", id: "00000000-0000-0000-0000-000000000ada"}
          ]) { ... on User { tweets { edges { cursor } } } }
        }
        """,
    )
    WRITES = (
        'mutation { createTweet(input: {text: "Hi"}) { __typename } }',
        "mutation { deleteTweet(id: 1) { __typename } }",
        "mutation { retweet(tweetId: 1) { __typename } }",
        "mutation { undoRetweet(tweetId: 1) { __typename } }",
    )

    @pytest.mark.parametrize("document", READS + WRITES)
    async def test_anonymous_caller_is_unauthenticated(self, execute: Ask, document: str) -> None:
        assert code(await execute(document, None)) == "UNAUTHENTICATED"

    @pytest.mark.parametrize(
        ("document", "scope"),
        [(d, "tweets:write") for d in READS] + [(d, "tweets:read") for d in WRITES],
    )
    async def test_other_scope_is_forbidden(self, execute: Ask, document: str, scope: str) -> None:
        answer = await execute(document, principal(ADA, frozenset({scope})))
        assert code(answer) == "FORBIDDEN"

    async def test_write_scope_is_enough_to_see_the_result(self, ask: Ask) -> None:
        writer = principal(ADA, frozenset({"tweets:write"}))
        assert (await ask(CREATE, writer, text="Hi"))["createTweet"]["text"] == "Hi"


class TestEntities:
    DOCUMENT = """
    query ($them: [_Any!]!) {
      _entities(representations: $them) {
        ... on Tweet { id text viewerHasRetweeted }
        ... on User { id }
      }
    }
    """

    async def test_tweets_are_read_in_one_batch(
        self, ask: Ask, service: TweetService, unit_of_work: FakeUnitOfWork
    ) -> None:
        tweets = [await service.create_tweet(BOB, f"Number {n}") for n in range(20)]
        await service.retweet(ADA, tweets[3].id)
        them = [{"__typename": "Tweet", "id": str(tweet.id)} for tweet in tweets]
        answer = await ask(self.DOCUMENT, them=them)
        assert answer["_entities"] == [
            {"id": str(t.id), "text": t.text, "viewerHasRetweeted": t is tweets[3]} for t in tweets
        ]
        assert unit_of_work.reads == 2

    async def test_unknown_tweet_is_null_among_others(
        self, ask: Ask, service: TweetService
    ) -> None:
        tweet = await service.create_tweet(BOB, "Hi")
        them = [{"__typename": "Tweet", "id": i} for i in (str(NOBODY), "1", str(tweet.id))]
        answer = await ask(self.DOCUMENT, them=them)
        assert [found and found["id"] for found in answer["_entities"]] == [
            None,
            None,
            str(tweet.id),
        ]

    async def test_tweet_is_found_by_the_reference_of_another_subgraph(
        self, ask: Ask, service: TweetService
    ) -> None:
        tweet = await service.create_tweet(BOB, "Hi")
        them = [{"__typename": "Tweet", "ref": i} for i in (str(tweet.id), str(NOBODY), "")]
        found = {"id": str(tweet.id), "text": "Hi", "viewerHasRetweeted": False}
        assert (await ask(self.DOCUMENT, them=them))["_entities"] == [found, None, None]

    async def test_id_of_a_user_needs_no_read_and_no_scope(
        self, ask: Ask, unit_of_work: FakeUnitOfWork
    ) -> None:
        answer = await ask(self.DOCUMENT, None, them=[{"__typename": "User", "id": str(ADA.id)}])
        assert answer["_entities"] == [{"id": str(ADA.id)}]
        assert unit_of_work.reads == 0

    async def test_malformed_user_id_is_null(self, ask: Ask) -> None:
        answer = await ask(self.DOCUMENT, them=[{"__typename": "User", "id": "ada"}])
        assert answer["_entities"] == [None]


class TestUserTweets:
    DOCUMENT = """
    query ($them: [_Any!]!) {
      _entities(representations: $them) {
        ... on User {
          latest: tweets(first: 1) { edges { node { text author { username } } } }
          tweets { edges { node { text } } }
        }
      }
    }
    """

    async def test_timelines_are_read_in_one_batch(
        self, ask: Ask, service: TweetService, unit_of_work: FakeUnitOfWork
    ) -> None:
        for author in (ADA, BOB):
            for number in range(3):
                await service.create_tweet(author, f"{author.username} {number}")
        them = [{"__typename": "User", "id": str(author.id)} for author in (ADA, BOB)]
        users = (await ask(self.DOCUMENT, them=them))["_entities"]
        assert [user["latest"]["edges"] for user in users] == [
            [{"node": {"text": "ada 2", "author": {"username": "ada"}}}],
            [{"node": {"text": "bob 2", "author": {"username": "bob"}}}],
        ]
        assert [len(user["tweets"]["edges"]) for user in users] == [3, 3]
        # One read for each pair of arguments, not for each user.
        assert unit_of_work.reads == 2

    async def test_number_out_of_range_is_bad_input(self, execute: Ask) -> None:
        answer = await execute(
            """
            query ($them: [_Any!]!) {
              _entities(representations: $them) {
                ... on User { tweets(first: 101) { edges { cursor } } }
              }
            }
            """,
            them=[{"__typename": "User", "id": str(ADA.id)}],
        )
        assert code(answer) == "BAD_USER_INPUT"


class TestReads:
    async def test_unselected_fields_are_not_read(
        self, ask: Ask, service: TweetService, unit_of_work: FakeUnitOfWork
    ) -> None:
        await service.retweet(ADA, (await service.create_tweet(BOB, "Hi")).id)
        await ask("{ myTweets { edges { node { text retweetCount retweetOf { text } } } } }")
        assert unit_of_work.reads == 1

    async def test_internal_failure_is_masked(
        self, execute: Ask, unit_of_work: FakeUnitOfWork
    ) -> None:
        class Broken(FakeTweetRepository):
            async def timelines(self, *_: object) -> NoReturn:
                raise RuntimeError("secret")

        unit_of_work.repositories.tweets = Broken()
        answer = await execute("{ myTweets { edges { cursor } } }")
        assert code(answer) == "INTERNAL_SERVER_ERROR"
        assert "secret" not in str(answer)


class TestTweetFeed:
    async def subscribe(
        self,
        service: TweetService,
        document: str,
        caller: Principal | None = AS_ADA,
        **variables: Any,
    ) -> AsyncIterator[Any]:
        context = context_of(caller, service)
        answer = await SCHEMA.subscribe(document, variables, context_value=context)
        return cast("AsyncIterator[Any]", answer)

    async def test_missed_items_are_delivered(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        await service.retweet(BOB, tweet.id)
        document = """
        subscription ($after: String) { tweetFeed(after: $after) {
          cursor kind actor { id username } tweet { text author { username } retweetCount }
        } }
        """
        start = urlsafe_b64encode(bytes(8)).decode().rstrip("=")
        answers = await self.subscribe(service, document, after=start)
        first, second = [(await anext(answers)).data["tweetFeed"] for _ in range(2)]
        shown = {"text": "Hi", "author": {"username": "ada"}, "retweetCount": 1}
        assert first | {"cursor": ""} == {
            "cursor": "",
            "kind": "TWEETED",
            "actor": {"id": str(ADA.id), "username": "ada"},
            "tweet": shown,
        }
        assert second | {"cursor": ""} == {
            "cursor": "",
            "kind": "RETWEETED",
            "actor": {"id": str(BOB.id), "username": "bob"},
            "tweet": shown,
        }
        again = await self.subscribe(service, document, after=first["cursor"])
        assert (await anext(again)).data["tweetFeed"] == second

    async def test_tweet_feed_cursor_starts_a_subscription(
        self, service: TweetService, ask: Ask
    ) -> None:
        await service.create_tweet(ADA, "before")
        now = (await ask("{ tweetFeedCursor }"))["tweetFeedCursor"]
        await service.create_tweet(ADA, "after")
        document = "subscription ($after: String) { tweetFeed(after: $after) { tweet { text } } }"
        item = await anext(await self.subscribe(service, document, after=now))
        assert item.data == {"tweetFeed": {"tweet": {"text": "after"}}}

    async def test_item_is_found_by_its_cursor(self, service: TweetService, ask: Ask) -> None:
        tweet = await service.create_tweet(ADA, "Hi")
        await service.retweet(BOB, tweet.id)
        selection = "{ cursor kind actor { username } tweet { text } }"
        start = urlsafe_b64encode(bytes(8)).decode().rstrip("=")
        feed = f"subscription ($after: String) {{ tweetFeed(after: $after) {selection} }}"
        query = f"query ($cursor: String!) {{ tweetFeedItem(cursor: $cursor) {selection} }}"
        answers = await self.subscribe(service, feed, after=start)
        first, delivered = [(await anext(answers)).data["tweetFeed"] for _ in range(2)]
        for item in (first, delivered):
            assert await ask(query, cursor=item["cursor"]) == {"tweetFeedItem": item}
        as_bob = await ask(query, principal(BOB), cursor=delivered["cursor"])
        assert as_bob == {"tweetFeedItem": None}
        await service.undo_retweet(BOB.id, tweet.id)
        assert await ask(query, cursor=delivered["cursor"]) == {"tweetFeedItem": None}

    @pytest.mark.parametrize(
        ("cursor", "caller", "code"),
        [
            ("AAAAAAAAAAE", None, "UNAUTHENTICATED"),
            ("AAAAAAAAAAE", principal(ADA, frozenset({"tweets:write"})), "FORBIDDEN"),
            ("nonsense", AS_ADA, "BAD_USER_INPUT"),
            ("__________8", AS_ADA, "BAD_USER_INPUT"),
        ],
    )
    async def test_refused_cursor_is_an_error(
        self, execute: Ask, cursor: str, caller: Principal | None, code: str
    ) -> None:
        query = "query ($cursor: String!) { tweetFeedItem(cursor: $cursor) { cursor } }"
        [error] = (await execute(query, caller, cursor=cursor))["errors"]
        assert error["extensions"]["code"] == code

    @pytest.mark.parametrize(
        ("arguments", "caller", "code"),
        [
            ("", None, "UNAUTHENTICATED"),
            ("", principal(ADA, frozenset({"tweets:write"})), "FORBIDDEN"),
            ('(after: "nonsense")', AS_ADA, "BAD_USER_INPUT"),
            ('(after: "AAAAAAAAAAk")', AS_ADA, "BAD_USER_INPUT"),
        ],
    )
    async def test_refused_subscription_is_an_error(
        self, service: TweetService, arguments: str, caller: Principal | None, code: str
    ) -> None:
        document = f"subscription {{ tweetFeed{arguments} {{ cursor }} }}"
        answer = await anext(await self.subscribe(service, document, caller))
        (error,) = answer.errors
        assert error.extensions["code"] == code
