"""The events that the tweets service publishes, and those that it consumes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.events import Event, MalformedEventError, time_text
from subgraphs.tweets.domain import Author, FeedItem, Tweet

STREAM = "events.tweets"
SOURCE = "/tweets"

TWEET_CREATED = "tweet-created"
TWEET_DELETED = "tweet-deleted"
TWEET_RETWEETED = "tweet-retweeted"
RETWEET_UNDONE = "retweet-undone"

USER_DELETED = "user-deleted"


def tweet_created(tweet: Tweet, feed_position: int | None) -> Event:
    """Return the event of a new tweet, at its position in its author's feed."""
    return _event(
        TWEET_CREATED,
        tweet,
        time=tweet.created_at,
        data={
            "tweetId": str(tweet.id),
            "authorId": str(tweet.author.id),
            "authorUsername": tweet.author.username,
            "text": tweet.text,
            "createdAt": time_text(tweet.created_at),
            "feedPosition": feed_position,
        },
    )


def tweet_deleted(tweet: Tweet, time: datetime) -> Event:
    """Return the event of a deletion; the retweets deleted with the tweet have none."""
    data = {"tweetId": str(tweet.id), "authorId": str(tweet.author.id)}
    return _event(TWEET_DELETED, tweet, time=time, data=data)


def tweet_retweeted(retweet: Tweet, feed_position: int | None) -> Event:
    """Return the event of a retweet. A retweet of one's own tweet has no feed position."""
    return _event(
        TWEET_RETWEETED,
        retweet,
        time=retweet.created_at,
        data={
            "retweetId": str(retweet.id),
            "tweetId": str(retweet.original.id),
            "text": retweet.text,
            "authorId": str(retweet.original.author.id),
            "authorUsername": retweet.original.author.username,
            "retweeterId": str(retweet.author.id),
            "retweeterUsername": retweet.author.username,
            "retweetCount": retweet.retweet_count,
            "createdAt": time_text(retweet.created_at),
            "tweetCreatedAt": time_text(retweet.original.created_at),
            "feedPosition": feed_position,
        },
    )


def retweet_undone(retweet: Tweet, time: datetime) -> Event:
    """Return the event of a retweet's removal; `retweet` is as it was before."""
    return _event(
        RETWEET_UNDONE,
        retweet,
        time=time,
        data={
            "retweetId": str(retweet.id),
            "tweetId": str(retweet.original.id),
            "retweeterId": str(retweet.author.id),
            "retweetCount": retweet.undone().retweet_count,
        },
    )


def deleted_user(event: Event) -> UUID:
    """Return the user id of a `user-deleted` event. Raises MalformedEventError."""
    return event.fields.id("userId")


def feed_item(event: Event) -> FeedItem | None:
    """Return the item that an event of this service adds to a feed, or None.

    Raises MalformedEventError.
    """
    if event.type not in {TWEET_CREATED, TWEET_RETWEETED}:
        return None
    data = event.data
    # Missing where an author retweeted their own tweet, and in events older than feeds.
    if (position := data.get("feedPosition")) is None:
        return None
    try:
        added = _tweet(data) if event.type == TWEET_CREATED else _retweet(data)
    except (KeyError, ValueError, AttributeError, TypeError):
        raise MalformedEventError("data is not that of a tweet or retweet") from None
    return FeedItem.of(added, position)


def _tweet(data: Mapping[str, Any]) -> Tweet:
    return Tweet(
        id=UUID(data["tweetId"]),
        author=Author(UUID(data["authorId"]), data["authorUsername"]),
        text=data["text"],
        created_at=datetime.fromisoformat(data["createdAt"]),
    )


def _retweet(data: Mapping[str, Any]) -> Tweet:
    original = Tweet(
        id=UUID(data["tweetId"]),
        author=Author(UUID(data["authorId"]), data["authorUsername"]),
        text=data["text"],
        created_at=datetime.fromisoformat(data["tweetCreatedAt"]),
        retweet_count=data["retweetCount"],
    )
    return original.as_retweet(
        UUID(data["retweetId"]),
        Author(UUID(data["retweeterId"]), data["retweeterUsername"]),
        datetime.fromisoformat(data["createdAt"]),
    )


def _event(
    type: str,
    tweet: Tweet,
    *,
    time: datetime,
    data: Mapping[str, Any],
) -> Event:
    """Return an event of a kind that each tweet or retweet has at most once."""
    return Event.of_fact(
        type,
        tweet.id,
        source=SOURCE,
        subject=tweet.original.id,
        time=time,
        data=data,
    )
