"""The GraphQL operations of the tweets subgraph."""

from typing import Annotated

import strawberry

from chassis.graphql import schema
from subgraphs.tweets.context import Info
from subgraphs.tweets.types import (
    EXCEPTION_HANDLERS,
    READ,
    WRITE,
    After,
    CreateTweetInput,
    CreateTweetResult,
    DeleteTweetResult,
    First,
    RetweetResult,
    Tweet,
    TweetConnection,
    TweetDeleted,
    UndoRetweetResult,
    known_id,
    load_timeline,
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
        info.context.require(READ)
        return await load_tweet(info, id)

    @strawberry.field(description="What you tweeted and retweeted, newest first.")
    async def my_tweets(
        self, info: Info, first: First = 20, after: After = None
    ) -> TweetConnection:
        viewer = info.context.require(READ)
        return await load_timeline(info, viewer.user_id, first, after)


@strawberry.type
class Mutation:
    @strawberry.mutation(description="Publishes a tweet.")
    async def create_tweet(
        self,
        info: Info,
        input: Annotated[CreateTweetInput, strawberry.argument(description="What to tweet.")],  # noqa: A002
    ) -> CreateTweetResult:
        author = info.context.author(WRITE)
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
        viewer = info.context.require(WRITE)
        await info.context.tweets.delete_tweet(viewer.user_id, known_id(id))
        return TweetDeleted(id=id)

    @strawberry.mutation(
        description="Retweets a tweet, or what a retweet retweets. Doing it again changes nothing "
        "and gives the same retweet."
    )
    async def retweet(self, info: Info, tweet_id: TweetId) -> RetweetResult:
        author = info.context.author(WRITE)
        return Tweet.from_entity(await info.context.tweets.retweet(author, known_id(tweet_id)))

    @strawberry.mutation(
        description="Takes your retweet of a tweet back and gives the original. Doing it again "
        "changes nothing."
    )
    async def undo_retweet(self, info: Info, tweet_id: TweetId) -> UndoRetweetResult:
        viewer = info.context.require(WRITE)
        return Tweet.from_entity(
            await info.context.tweets.undo_retweet(viewer.user_id, known_id(tweet_id))
        )


def build_schema(*, introspection: bool = True) -> schema.SubgraphSchema:
    return schema.build_schema(
        query=Query,
        mutation=Mutation,
        exception_handlers=EXCEPTION_HANDLERS,
        introspection=introspection,
    )
