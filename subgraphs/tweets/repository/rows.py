"""Reads tweets and retweets from rows."""

from datetime import datetime
from typing import Any
from uuid import UUID

from subgraphs.tweets.domain import Author, Tweet


def _columns(alias: str) -> str:
    """Return the columns that `tweet_from` takes, in the order of its parameters."""
    names = ("id", "author_id", "author_username", "text", "created_at", "retweet_count")
    return ", ".join(f"{alias}.{name}" for name in names)


ORIGINAL = _columns("t")
"""The columns of an original `t`."""

TWEET = f"{ORIGINAL}, {_columns('o')}"
"""The columns of a tweet or retweet `t`, and of the original `o` of a retweet."""


def tweet_from(
    tweet_id: UUID,
    author_id: UUID,
    author_username: str,
    text: str,
    created_at: datetime,
    retweet_count: int,
    *original: Any,
) -> Tweet:
    """Return the tweet or retweet of a row with the columns ORIGINAL or TWEET."""
    author = Author(author_id, author_username)
    if not original or original[0] is None:
        return Tweet(tweet_id, author, text, created_at, retweet_count)
    return tweet_from(*original).as_retweet(tweet_id, author, created_at)
