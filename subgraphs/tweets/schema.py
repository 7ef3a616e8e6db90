"""The GraphQL operations of the tweets subgraph."""

from collections.abc import AsyncIterator
from typing import Annotated

import strawberry

from chassis.graphql import schema
from chassis.graphql.paging import After, page_request
from graphql_streams import Broadcast
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
    item_position,
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
        id: TweetId,
    ) -> Tweet | None:
        info.context.require(Scope.READ)
        return await load_tweet(info, id)

    @strawberry.field(description="Your tweets and retweets, newest first.")
    async def my_tweets(
        self, info: Info, first: First = 20, after: After = None
    ) -> TweetConnection:
        viewer = info.context.require(Scope.READ)
        page = page_request(first, after)
        timelines = await info.context.service.timelines([viewer.user_id], page)
        return TweetConnection.from_page(timelines[viewer.user_id])

    @strawberry.field(
        description="The cursor of the last item of your feed. Subscribe with it as `after` to get "
        "every later item."
    )
    async def tweet_feed_cursor(self, info: Info) -> str:
        viewer = info.context.require(Scope.READ)
        heads = await info.context.service.feed_heads([viewer.user_id])
        return feed_cursor(heads[viewer.user_id])

    @strawberry.field(
        description="The item of your feed with this cursor. Null if its tweet was deleted or the "
        "retweet undone."
    )
    async def tweet_feed_item(
        self,
        info: Info,
        cursor: Annotated[str, strawberry.argument(description="The `cursor` of the item.")],
    ) -> TweetFeedItem | None:
        viewer = info.context.require(Scope.READ)
        item = await info.context.service.feed_item(viewer.user_id, item_position(cursor))
        return TweetFeedItem.from_entity(item) if item else None


@strawberry.type
class Mutation:
    @strawberry.mutation(description="Creates a tweet.")
    async def create_tweet(
        self,
        info: Info,
        input: Annotated[CreateTweetInput, strawberry.argument(description="The tweet.")],
    ) -> CreateTweetResult:
        author = info.context.author(Scope.WRITE)
        return Tweet.from_entity(
            await info.context.service.create_tweet(author, input.text, input.idempotency_key)
        )

    @strawberry.mutation(
        description="Deletes a tweet of yours and all its retweets, or undoes a retweet of yours."
    )
    async def delete_tweet(
        self,
        info: Info,
        id: TweetId,
    ) -> DeleteTweetResult:
        viewer = info.context.require(Scope.WRITE)
        await info.context.service.delete_tweet(viewer.user_id, known_id(id))
        return TweetDeleted(id=id)

    @strawberry.mutation(
        description="Retweets a tweet, or the original of a retweet. A repetition changes nothing "
        "and returns the same retweet."
    )
    async def retweet(self, info: Info, tweet_id: TweetId) -> RetweetResult:
        author = info.context.author(Scope.WRITE)
        return Tweet.from_entity(await info.context.service.retweet(author, known_id(tweet_id)))

    @strawberry.mutation(
        description="Undoes your retweet of a tweet and returns the original. A repetition changes "
        "nothing."
    )
    async def undo_retweet(self, info: Info, tweet_id: TweetId) -> UndoRetweetResult:
        viewer = info.context.require(Scope.WRITE)
        return Tweet.from_entity(
            await info.context.service.undo_retweet(viewer.user_id, known_id(tweet_id))
        )


@strawberry.type
class Subscription:
    @strawberry.subscription(
        description="Your new tweets and the retweets of your tweets by other users, live and in "
        "order. The subscription ends with the session. It also ends when the token expires: "
        "subscribe again with a new token and the last cursor as `after` to miss no item."
    )
    async def tweet_feed(self, info: Info, after: FeedAfter = None) -> AsyncIterator[TweetFeedItem]:
        viewer = info.context.require(Scope.READ)
        # Subscribes before the first item is requested, so that no item is missed until then.
        subscription = await info.context.feed.subscribe(viewer.user_id, feed_position(after))
        return _FEED_ITEMS.of(subscription)


_FEED_ITEMS = Broadcast(TweetFeedItem.from_entity)
"""The items that this process delivers. Each is executed once for all devices of its owner."""


def build_schema(*, introspection: bool = True) -> schema.SubgraphSchema:
    return schema.build_schema(
        "tweets",
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        scopes=Scope,
        entries={"tweetFeed": "tweetFeedItem"},
        exception_handlers=EXCEPTION_HANDLERS,
        introspection=introspection,
    )
