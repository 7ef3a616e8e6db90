"""The GraphQL types of tweets, and what becomes of the exceptions of the domain."""

import struct
from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import Enum
from typing import Annotated, cast
from uuid import UUID

import strawberry

from chassis.errors import BadUserInput
from chassis.graphql.ids import parse_id
from chassis.graphql.paging import After, PageInfo, cursor, page_request, position_of
from chassis.graphql.result_errors import Error, ErrorAsData
from chassis.paging import Page
from subgraphs.tweets import domain, errors
from subgraphs.tweets.context import Info, Scope

_FEED_PLACE = struct.Struct(">Q")

# `strawberry.ID(str(…))`, in one call.
_id = cast("Callable[[UUID], strawberry.ID]", str)

First = Annotated[int, strawberry.argument(description="How many tweets to get: 1 to 100.")]


def known_id(text: str) -> UUID:
    """The id of a tweet that has to exist. Raises TweetNotFound."""
    if tweet_id := parse_id(text):
        return tweet_id
    raise errors.TweetNotFound


FeedAfter = Annotated[
    str | None,
    strawberry.argument(
        description="The `cursor` of the last item that you have: what you missed since then comes "
        "first. Without it the feed begins now."
    ),
]


def feed_cursor(position: int) -> str:
    return cursor(_FEED_PLACE.pack(position))


def feed_position(after: str | None) -> int | None:
    """Raises BadUserInput."""
    if after is None:
        return None
    try:
        (position,) = _FEED_PLACE.unpack(position_of(after))
    except (ValueError, struct.error):
        raise BadUserInput("`after` is not a cursor of this feed.") from None
    return int(position)


def _user(author: domain.Author) -> "User":
    return User(id=_id(author.id), username=author.username)


class _Users(dict[domain.Author, "User"]):
    """Each author's user, made once: a timeline has few authors, often one."""

    def __missing__(self, author: domain.Author) -> "User":
        user = self[author] = _user(author)
        return user


@strawberry.federation.type(
    keys=["id"], description="A post of up to 280 characters, or a retweet of one."
)
class Tweet:
    id: strawberry.ID = strawberry.field(
        description="Ids grow with time: a later tweet has a greater one."
    )
    text: str = strawberry.field(description="What it says; a retweet says what its original says.")
    created_at: datetime = strawberry.field(description="When it was tweeted or retweeted.")
    author: "User" = strawberry.federation.field(
        provides=["username"],
        description="Who tweeted or retweeted it, under the username they had at that time.",
    )
    retweet_count: int = strawberry.field(
        description="How many people have retweeted it; for a retweet, its original."
    )
    retweet_of: "Tweet | None" = strawberry.field(
        description="The original, if this is a retweet. It is never a retweet itself."
    )
    original_id: strawberry.Private[UUID]

    @strawberry.field(
        description="Whether you have retweeted it; for a retweet, its original.",
        graphql_type=bool,
    )
    def viewer_has_retweeted(self, info: Info) -> Awaitable[bool]:
        return info.context.has_retweeted.load(self.original_id)

    @classmethod
    def from_entity(
        cls, tweet: domain.Tweet, user: "Callable[[domain.Author], User]" = _user
    ) -> "Tweet":
        original = tweet.retweet_of
        return cls(
            id=_id(tweet.id),
            text=tweet.text,
            created_at=tweet.created_at,
            author=user(tweet.author),
            retweet_count=tweet.retweet_count,
            retweet_of=cls.from_entity(original, user) if original else None,
            original_id=(original or tweet).id,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: str) -> "Tweet | None":  # noqa: A002
        info.context.require(Scope.READ)
        return await load_tweet(info, id)


async def load_tweet(info: Info, id: str) -> Tweet | None:  # noqa: A002
    tweet_id = parse_id(id)
    tweet = tweet_id and await info.context.tweet.load(tweet_id)
    return Tweet.from_entity(tweet) if tweet else None


@strawberry.federation.type(keys=["id"], description="Somebody with an account.")
class User:
    id: strawberry.ID = strawberry.field(description="The account's id.")
    username: str | None = strawberry.federation.field(
        external=True,
        graphql_type=str,
        # Known where a tweet carries it, and asked for nowhere else.
        default=None,
        description="The name they chose: unique, without regard to case.",
    )

    @strawberry.field(description="What they tweeted and retweeted, newest first.")
    async def tweets(self, info: Info, first: First = 20, after: After = None) -> "TweetConnection":
        info.context.require(Scope.READ)
        wanted = (UUID(self.id), page_request(first, after))
        return TweetConnection.from_page(await info.context.timeline.load(wanted))

    @classmethod
    def resolve_reference(cls, id: str) -> "User | None":  # noqa: A002
        return cls(id=strawberry.ID(id)) if parse_id(id) else None


@strawberry.type(description="A tweet at its place in a timeline.")
class TweetEdge:
    node: Tweet = strawberry.field(description="The tweet.")
    cursor: str = strawberry.field(description="Its place: give it as `after` to go on from here.")


@strawberry.type(description="A piece of a timeline.")
class TweetConnection:
    edges: list[TweetEdge] = strawberry.field(description="The tweets, each with its place.")
    page_info: PageInfo = strawberry.field(description="Whether there is more, and from where.")

    @classmethod
    def from_page(cls, page: Page[domain.Tweet]) -> "TweetConnection":
        user = _Users().__getitem__
        edges = [
            TweetEdge(node=Tweet.from_entity(tweet, user), cursor=cursor(tweet.id.bytes))
            for tweet in page.items
        ]
        return cls(edges=edges, page_info=PageInfo.of(page, edges))


@strawberry.enum(description="What happened.")
class TweetFeedKind(Enum):
    TWEETED = strawberry.enum_value("tweeted", description="You have tweeted.")
    RETWEETED = strawberry.enum_value(
        "retweeted", description="Somebody else has retweeted a tweet of yours."
    )


@strawberry.type(description="News about a tweet of yours.")
class TweetFeedItem:
    cursor: str = strawberry.field(
        description="Its place in your feed: give it as `after` to go on from here."
    )
    kind: TweetFeedKind = strawberry.field(description="What happened.")
    actor: "User" = strawberry.federation.field(
        provides=["username"],
        description="Who did it, under the username they had at that time.",
    )
    tweet: Tweet = strawberry.field(description="Your tweet; never a retweet.")

    @classmethod
    def from_entity(cls, item: domain.FeedItem) -> "TweetFeedItem":
        return cls(
            cursor=feed_cursor(item.position),
            kind=TweetFeedKind(item.kind.value),
            actor=_user(item.actor),
            tweet=Tweet.from_entity(item.tweet),
        )


@strawberry.input(description="A new tweet.")
class CreateTweetInput:
    text: str = strawberry.field(
        description="1 to 280 characters as a reader counts them (an emoji is one). White space "
        "around it is dropped; there may be line breaks, but no other control characters."
    )
    idempotency_key: str | None = strawberry.field(
        default=None,
        description="A name of your choice for this request, 1 to 64 printable ASCII characters. "
        "Sending the same request again with the same key gives the same tweet, not a second one.",
    )


@strawberry.type(description="The tweet is gone.")
class TweetDeleted:
    id: strawberry.ID = strawberry.field(description="The id that it had.")


@strawberry.type(description="The text or the idempotency key is not one that a tweet can have.")
class InvalidTweetError(Error):
    pass


@strawberry.type(description="You have used this idempotency key for a tweet with another text.")
class IdempotencyKeyReusedError(Error):
    pass


@strawberry.type(description="There is no such tweet, or no longer.")
class TweetNotFoundError(Error):
    pass


@strawberry.type(description="The tweet is somebody else's.")
class NotTweetAuthorError(Error):
    pass


CreateTweetResult = Annotated[
    Tweet | InvalidTweetError | IdempotencyKeyReusedError,
    strawberry.union("CreateTweetResult", description="The new tweet, or why there is none."),
]
DeleteTweetResult = Annotated[
    TweetDeleted | TweetNotFoundError | NotTweetAuthorError,
    strawberry.union("DeleteTweetResult", description="What was deleted, or why nothing was."),
]
RetweetResult = Annotated[
    Tweet | TweetNotFoundError,
    strawberry.union("RetweetResult", description="The retweet, or why there is none."),
]
UndoRetweetResult = Annotated[
    Tweet | TweetNotFoundError,
    strawberry.union("UndoRetweetResult", description="The original, or why there is none."),
]


EXCEPTION_HANDLERS = (
    ErrorAsData(
        errors.InvalidTweet,
        InvalidTweetError,
        lambda error: InvalidTweetError(message=str(error)),
    ),
    ErrorAsData.saying(
        errors.IdempotencyKeyReused,
        IdempotencyKeyReusedError,
        "This key belongs to a tweet of other text.",
    ),
    ErrorAsData.saying(errors.TweetNotFound, TweetNotFoundError, "There is no such tweet."),
    ErrorAsData.saying(
        errors.NotTweetAuthor, NotTweetAuthorError, "Only its author can delete a tweet."
    ),
)
