"""Tweets, retweets and timelines, and the rules that hold whatever stores or shows them.

What a timeline has many of is a NamedTuple: a frozen dataclass takes three times as long to make.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from subgraphs.tweets.errors import InvalidTweet

MAX_CHARACTERS = 280
MAX_CODE_POINTS = 10 * MAX_CHARACTERS
"""Ten for each character, as many as the longest emoji have. Without it, one "character" could be
a letter with a hundred thousand accents."""

_LINE_ENDING = re.compile(r"\r\n?")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""The control characters of Unicode but the line feed, and halves of surrogate pairs."""

_IDEMPOTENCY_KEY = re.compile(r"[ -~]{1,64}")


class Author(NamedTuple):
    """Who tweeted, under the name that they had then."""

    id: UUID
    username: str


class Tweet(NamedTuple):
    """A tweet, or a retweet: that one says what its original says and counts what it counts."""

    id: UUID
    author: Author
    text: str
    created_at: datetime
    retweet_count: int = 0
    retweet_of: "Tweet | None" = None

    @property
    def original(self) -> "Tweet":
        return self.retweet_of or self


@dataclass(frozen=True, slots=True)
class KnownTweet:
    """A tweet or retweet with its place in a feed, or what is left of a deleted one."""

    id: UUID
    tweet: Tweet | None
    feed_position: int | None = None
    deletion: str | None = None
    """The event of the deletion, as JSON."""


class FeedKind(Enum):
    TWEETED = "tweeted"
    RETWEETED = "retweeted"


@dataclass(frozen=True, slots=True)
class FeedItem:
    """News for somebody: a tweet of theirs, or that somebody else has retweeted one."""

    position: int
    kind: FeedKind
    actor: Author
    tweet: Tweet

    @classmethod
    def of(cls, tweet: Tweet, position: int) -> "FeedItem":
        """What a new tweet or retweet is to the author of its original."""
        kind = FeedKind.RETWEETED if tweet.retweet_of else FeedKind.TWEETED
        return cls(position, kind, tweet.author, tweet.original)


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A piece of somebody's feed, oldest first."""

    items: Sequence[FeedItem]
    position: int
    """How far it reaches: nothing up to here will be added any more."""
    is_last: bool


def tweet_text(
    text: str, count_characters: Callable[[str], int], is_visible: Callable[[str], bool]
) -> str:
    """Return the text as it is kept: NFC, one kind of line ending, no outer white space.

    `count_characters` counts as a reader does (extended grapheme clusters), `is_visible` decides
    whether a text shows anything. Raises InvalidTweet.
    """
    text = _LINE_ENDING.sub("\n", text).strip()
    # Measured before it is normalised: that takes long for a letter with very many accents.
    if len(text) > MAX_CODE_POINTS:
        raise InvalidTweet(f"The text has more than {MAX_CODE_POINTS} code points.")
    text = unicodedata.normalize("NFC", text)
    if _CONTROL.search(text):
        raise InvalidTweet("The text has control characters other than line breaks.")
    if not is_visible(text):
        raise InvalidTweet("The text is empty: it has no visible character.")
    # A character has one code point or more: most texts need not be counted.
    if len(text) > MAX_CHARACTERS and (length := count_characters(text)) > MAX_CHARACTERS:
        raise InvalidTweet(f"The text has {length} characters; {MAX_CHARACTERS} are allowed.")
    return text


def checked_idempotency_key(key: str | None) -> str | None:
    """The key itself. Raises InvalidTweet."""
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidTweet("An idempotency key has 1 to 64 printable ASCII characters.")
    return key
