"""The GraphQL operations of the tweets subgraph."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import strawberry

from chassis.graphql import schema
from chassis.graphql.paging import After, page_request
from subgraphs.tweets import feed
from subgraphs.tweets.context import Info, Scope
from subgraphs.tweets.types import (
    EXCEPTION_HANDLERS,
    CreateTweetInput,
    CreateTweetResult,
    DeleteTweetResult,
    FeedAfter,
    First,
    RetweetResult,
    Tweet,
    TweetConnection,
    TweetDeleted,
    TweetFeedItem,
    UndoRetweetResult,
    feed_cursor,
    feed_position,
    known_id,
    load_tweet,
)

TweetId = Annotated[
    strawberry.ID, strawberry.argument(description="The id of a tweet or a retweet.")
]


@strawberry.type
class Query:
    @strawberry.field(description="The tweet or retweet with this id, or null.")
    async def tweet(
        self,
        info: Info,
        id: TweetId,  # noqa: A002
    ) -> Tweet | None:
        info.context.require(Scope.READ)
        return await load_tweet(info, id)

    @strawberry.field(description="What you tweeted and retweeted, newest first.")
    async def my_tweets(
        self, info: Info, first: First = 20, after: After = None
    ) -> TweetConnection:
        viewer = info.context.require(Scope.READ)
        page = page_request(first, after)
        timelines = await info.context.tweets.timelines([viewer.user_id], page)
        return TweetConnection.from_page(timelines[viewer.user_id])

    @strawberry.field(
        description="Where your feed is now. Subscribe with it as `after` to miss nothing of what "
        "happens from here on."
    )
    async def tweet_feed_cursor(self, info: Info) -> str:
        viewer = info.context.require(Scope.READ)
        heads = await info.context.tweets.feed_heads([viewer.user_id])
        return feed_cursor(heads[viewer.user_id])


@strawberry.type
class Mutation:
    @strawberry.mutation(description="Publishes a tweet.")
    async def create_tweet(
        self,
        info: Info,
        input: Annotated[CreateTweetInput, strawberry.argument(description="What to tweet.")],  # noqa: A002
    ) -> CreateTweetResult:
        author = info.context.author(Scope.WRITE)
        return Tweet.from_entity(
            await info.context.tweets.create_tweet(author, input.text, input.idempotency_key)
        )

    @strawberry.mutation(
        description="Deletes a tweet of yours and all retweets of it, or undoes a retweet of yours."
    )
    async def delete_tweet(
        self,
        info: Info,
        id: TweetId,  # noqa: A002
    ) -> DeleteTweetResult:
        viewer = info.context.require(Scope.WRITE)
        await info.context.tweets.delete_tweet(viewer.user_id, known_id(id))
        return TweetDeleted(id=id)

    @strawberry.mutation(
        description="Retweets a tweet, or what a retweet retweets. Doing it again changes nothing "
        "and gives the same retweet."
    )
    async def retweet(self, info: Info, tweet_id: TweetId) -> RetweetResult:
        author = info.context.author(Scope.WRITE)
        return Tweet.from_entity(await info.context.tweets.retweet(author, known_id(tweet_id)))

    @strawberry.mutation(
        description="Takes your retweet of a tweet back and gives the original. Doing it again "
        "changes nothing."
    )
    async def undo_retweet(self, info: Info, tweet_id: TweetId) -> UndoRetweetResult:
        viewer = info.context.require(Scope.WRITE)
        return Tweet.from_entity(
            await info.context.tweets.undo_retweet(viewer.user_id, known_id(tweet_id))
        )


@strawberry.type
class Subscription:
    @strawberry.subscription(
        description="Your new tweets, and retweets of your tweets by others, as they happen and in "
        "order. It ends with the session. When the token expires, subscribe again with a new one "
        "and `after`: nothing is missed."
    )
    async def tweet_feed(
        self, info: Info, after: FeedAfter = None
    ) -> AsyncGenerator[TweetFeedItem, None]:
        viewer = info.context.require(Scope.READ)
        # It listens from here on, before there is anybody to ask for the first item.
        return _items(await info.context.feed.subscribe(viewer, feed_position(after)))


async def _items(news: feed.Subscription) -> AsyncGenerator[TweetFeedItem, None]:
    async with aclosing(news):
        async for item in news:
            yield TweetFeedItem.from_entity(item)


def build_schema(*, introspection: bool = True) -> schema.SubgraphSchema:
    return schema.build_schema(
        "tweets",
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        scopes=Scope,
        exception_handlers=EXCEPTION_HANDLERS,
        introspection=introspection,
    )
