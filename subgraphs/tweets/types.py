"""The GraphQL types of tweets, and the mapping of domain exceptions to them."""

import struct
from collections.abc import Awaitable
from datetime import datetime
from enum import Enum
from typing import Annotated
from uuid import UUID

import strawberry

from chassis.errors import BadUserInput
from chassis.graphql.ids import parse_id
from chassis.graphql.nodes import REF, Node, ref_field
from chassis.graphql.paging import After, PageInfo, cursor, page_request, position_of
from chassis.graphql.result_errors import Error, ErrorAsData
from chassis.paging import Page
from subgraphs.tweets import domain, errors
from subgraphs.tweets.context import Info, Scope
from subgraphs.tweets.feed import NOT_A_CURSOR

_FEED_POSITION = struct.Struct(">Q")
_LAST_POSITION = 2**63 - 1
"""The greatest that the database can count."""

NOT_AN_ITEM = "`cursor` is not the cursor of an item of your feed."

First = Annotated[int, strawberry.argument(description="The number of tweets to return, 1 to 100.")]

FeedAfter = Annotated[
    str | None,
    strawberry.argument(
        description="The `cursor` of the last item that you have. The items that you missed since "
        "then come first. Without `after`, the feed starts now."
    ),
]


def known_id(text: str) -> UUID:
    """Return the id of a tweet that has to exist. Raises TweetNotFound."""
    if tweet_id := parse_id(text):
        return tweet_id
    raise errors.TweetNotFound


def feed_cursor(position: int) -> str:
    return cursor(_FEED_POSITION.pack(position))


def feed_position(after: str | None) -> int | None:
    """Return the position of the argument `after`. Raises BadUserInput."""
    return None if after is None else _position(after, NOT_A_CURSOR)


def item_position(cursor: str) -> int:
    """Return the position of the argument `cursor`. Raises BadUserInput."""
    position = _position(cursor, NOT_AN_ITEM)
    if position > _LAST_POSITION:
        raise BadUserInput(NOT_AN_ITEM)
    return position


def _position(text: str, problem: str) -> int:
    try:
        (position,) = _FEED_POSITION.unpack(position_of(text))
    except (ValueError, struct.error):
        raise BadUserInput(problem) from None
    return int(position)


@strawberry.federation.type(
    keys=["id", REF], description="A post of up to 280 characters, or a retweet of one."
)
class Tweet(Node):
    id: strawberry.ID = strawberry.field(
        description="The id of the tweet. A later tweet has a greater id."
    )
    text: str = strawberry.field(description="The text; a retweet has the text of its original.")
    created_at: datetime = strawberry.field(description="The time of the tweet or retweet.")
    author: "User" = strawberry.federation.field(
        provides=["username"],
        description="The user who tweeted or retweeted, with the username they had at that time.",
    )
    retweet_count: int = strawberry.field(
        description="The number of retweets; a retweet has that of its original."
    )
    retweet_of: "Tweet | None" = strawberry.field(
        description="The original if this is a retweet, else null. It is never a retweet itself."
    )
    ref: strawberry.ID = ref_field()
    original_id: strawberry.Private[UUID]

    @strawberry.field(
        description="Whether you have retweeted it; for a retweet, whether you have retweeted its "
        "original.",
        graphql_type=bool,
    )
    def viewer_has_retweeted(self, info: Info) -> Awaitable[bool]:
        return info.context.has_retweeted.load(self.original_id)

    @classmethod
    def from_entity(cls, tweet: domain.Tweet) -> "Tweet":
        return cls(
            id=strawberry.ID(str(tweet.id)),
            text=tweet.text,
            created_at=tweet.created_at,
            author=User.of(tweet.author),
            retweet_count=tweet.retweet_count,
            retweet_of=cls.from_entity(tweet.retweet_of) if tweet.retweet_of else None,
            ref=strawberry.ID(str(tweet.id)),
            original_id=tweet.original.id,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: str = "", ref: str = "") -> "Tweet | None":
        info.context.require(Scope.READ)
        return await load_tweet(info, id or ref)


async def load_tweet(info: Info, id: str) -> Tweet | None:
    """Return the tweet, or None for an id that no tweet has."""
    tweet_id = parse_id(id)
    tweet = tweet_id and await info.context.tweet.load(tweet_id)
    return Tweet.from_entity(tweet) if tweet else None


@strawberry.federation.type(keys=["id"], description="A person with an account.")
class User:
    id: strawberry.ID = strawberry.field(description="The account's id.")
    username: str | None = strawberry.federation.field(
        external=True,
        graphql_type=str,
        # Only tweets and feed items provide it; the router asks auth for it everywhere else.
        default=None,
        description="The unique name, compared without regard to case.",
    )

    @strawberry.field(description="The user's tweets and retweets, newest first.")
    async def tweets(self, info: Info, first: First = 20, after: After = None) -> "TweetConnection":
        info.context.require(Scope.READ)
        timeline = (UUID(self.id), page_request(first, after))
        return TweetConnection.from_page(await info.context.timeline.load(timeline))

    @classmethod
    def of(cls, author: domain.Author) -> "User":
        return cls(id=strawberry.ID(str(author.id)), username=author.username)

    @classmethod
    def resolve_reference(cls, id: str) -> "User | None":
        return cls(id=strawberry.ID(id)) if parse_id(id) else None


@strawberry.type(description="A tweet and its cursor in a timeline.")
class TweetEdge:
    node: Tweet = strawberry.field(description="The tweet.")
    cursor: str = strawberry.field(
        description="The position of the tweet. As `after`, it requests the tweets that follow."
    )


@strawberry.type(description="A page of a timeline.")
class TweetConnection:
    edges: list[TweetEdge] = strawberry.field(description="The tweets, each with its cursor.")
    page_info: PageInfo = strawberry.field(
        description="Whether there are more tweets, and from which cursor."
    )

    @classmethod
    def from_page(cls, page: Page[domain.Tweet]) -> "TweetConnection":
        edges = [
            TweetEdge(node=Tweet.from_entity(tweet), cursor=cursor(tweet.id.bytes))
            for tweet in page.items
        ]
        return cls(edges=edges, page_info=PageInfo.of(page, edges))


@strawberry.enum(description="The kind of a feed item.")
class TweetFeedKind(Enum):
    TWEETED = strawberry.enum_value("tweeted", description="You tweeted.")
    RETWEETED = strawberry.enum_value(
        "retweeted", description="Another user retweeted a tweet of yours."
    )


@strawberry.type(
    description="An item of your feed: a tweet of yours, or a retweet of it by another user."
)
class TweetFeedItem:
    cursor: str = strawberry.field(
        description="The position in your feed. As `after`, it resumes the feed after this item."
    )
    kind: TweetFeedKind = strawberry.field(description="Whether it is a tweet or a retweet.")
    actor: "User" = strawberry.federation.field(
        provides=["username"],
        description="The user who tweeted or retweeted, with the username they had at that time.",
    )
    tweet: Tweet = strawberry.field(description="Your tweet. It is never a retweet.")

    @classmethod
    def from_entity(cls, item: domain.FeedItem) -> "TweetFeedItem":
        return cls(
            cursor=feed_cursor(item.position),
            kind=TweetFeedKind(item.kind.value),
            actor=User.of(item.actor),
            tweet=Tweet.from_entity(item.tweet),
        )


@strawberry.input(description="A new tweet.")
class CreateTweetInput:
    text: str = strawberry.field(
        description="The text: 1 to 280 characters as a reader counts them (an emoji is one). "
        "Surrounding white space is removed. Line breaks are allowed, other control characters "
        "are not."
    )
    idempotency_key: str | None = strawberry.field(
        default=None,
        description="A key of your choice for this request: 1 to 64 printable ASCII characters. A "
        "repeated request with the same key returns the same tweet instead of creating a second "
        "one.",
    )


@strawberry.type(description="The tweet was deleted, or the retweet undone.")
class TweetDeleted:
    id: strawberry.ID = strawberry.field(description="The id of the tweet or retweet.")


@strawberry.type(description="The text or the idempotency key is invalid.")
class InvalidTweetError(Error):
    pass


@strawberry.type(
    description="You have used this idempotency key for a tweet with a different text."
)
class IdempotencyKeyReusedError(Error):
    pass


@strawberry.type(description="No tweet has this id, or it was deleted.")
class TweetNotFoundError(Error):
    pass


@strawberry.type(description="Another user wrote the tweet.")
class NotTweetAuthorError(Error):
    pass


CreateTweetResult = Annotated[
    Tweet | InvalidTweetError | IdempotencyKeyReusedError,
    strawberry.union("CreateTweetResult", description="The new tweet, or why it was not created."),
]
DeleteTweetResult = Annotated[
    TweetDeleted | TweetNotFoundError | NotTweetAuthorError,
    strawberry.union(
        "DeleteTweetResult", description="The deleted tweet, or why it was not deleted."
    ),
]
RetweetResult = Annotated[
    Tweet | TweetNotFoundError,
    strawberry.union("RetweetResult", description="The retweet, or why it was not made."),
]
UndoRetweetResult = Annotated[
    Tweet | TweetNotFoundError,
    strawberry.union(
        "UndoRetweetResult", description="The original, or why no retweet of it was undone."
    ),
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
        "Idempotency key was used for a tweet with a different text. Use a new key.",
    ),
    ErrorAsData.saying(errors.TweetNotFound, TweetNotFoundError, "There is no such tweet."),
    ErrorAsData.saying(
        errors.NotTweetAuthor, NotTweetAuthorError, "Only the author of a tweet can delete it."
    ),
)
