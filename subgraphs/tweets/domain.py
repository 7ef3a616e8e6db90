"""Tweets, retweets, feeds and their rules, independent of storage and presentation."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from uuid import UUID

from subgraphs.tweets.errors import InvalidTweet

MAX_CHARACTERS = 280
MAX_CODE_POINTS = 10 * MAX_CHARACTERS
"""The longest emoji have ten code points. Without this limit, one "character" could be a letter
with a hundred thousand accents."""

_LINE_ENDING = re.compile(r"\r\n?")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Unicode's control characters except the line feed, and unpaired surrogates."""

_IDEMPOTENCY_KEY = re.compile(r"[ -~]{1,64}")


# Author and Tweet are not frozen: a page holds many, and freezing them triples the time that it
# takes to create them (ADR 16). They are never changed in place.
@dataclass(slots=True)
class Author:
    """The author of a tweet, with the username that they had when they tweeted."""

    id: UUID
    username: str


@dataclass(slots=True)
class Tweet:
    """An original, or a retweet of one: a retweet has the text and the count of its original."""

    id: UUID
    author: Author
    text: str
    created_at: datetime
    retweet_count: int = 0
    retweet_of: "Tweet | None" = None

    @property
    def original(self) -> "Tweet":
        return self.retweet_of or self

    def as_retweet(self, retweet_id: UUID, author: Author, created_at: datetime) -> "Tweet":
        """Return a retweet of this original, whose count already includes it."""
        return Tweet(retweet_id, author, self.text, created_at, self.retweet_count, self)

    def retweeted(self, retweet_id: UUID, author: Author, created_at: datetime) -> "Tweet":
        """Return a new retweet of this original, and count it."""
        counted = replace(self, retweet_count=self.retweet_count + 1)
        return counted.as_retweet(retweet_id, author, created_at)

    def undone(self) -> "Tweet":
        """Return the original of this retweet, with one retweet less."""
        return replace(self.original, retweet_count=self.retweet_count - 1)


@dataclass(frozen=True, slots=True)
class Addition:
    """The outcome of adding a tweet or retweet that may have been added before."""

    tweet: Tweet
    is_new: bool
    feed_position: int | None = None
    """The position in the feed of the original's author. None for a retweet of one's own tweet, and
    for a retweet that is not new."""


@dataclass(frozen=True, slots=True)
class SnapshotEntry:
    """A tweet or retweet with its feed position, or the event of its deletion."""

    id: UUID
    tweet: Tweet | None
    feed_position: int | None = None
    deletion: str | None = None
    """The event as JSON; None for a tweet that exists."""


class FeedKind(Enum):
    TWEETED = "tweeted"
    RETWEETED = "retweeted"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class FeedItem:
    """An item of a user's feed: a tweet of theirs, or a retweet of it by another user."""

    position: int
    kind: FeedKind
    actor: Author
    tweet: Tweet

    @classmethod
    def of(cls, tweet: Tweet, position: int) -> "FeedItem":
        """Return the item that a new tweet or retweet adds to the feed of its original's author."""
        kind = FeedKind.RETWEETED if tweet.retweet_of else FeedKind.TWEETED
        return cls(position, kind, tweet.author, tweet.original)


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Consecutive items of a feed, oldest first."""

    items: Sequence[FeedItem]
    position: int
    """The last position that the page covers. No item will be added at or before it."""
    is_last: bool


def tweet_text(
    text: str, count_characters: Callable[[str], int], is_visible: Callable[[str], bool]
) -> str:
    """Return the text as it is stored: NFC, line endings `\\n`, no surrounding white space.

    `count_characters` counts extended grapheme clusters, `is_visible` decides whether a text shows
    anything. Raises InvalidTweet.
    """
    text = _LINE_ENDING.sub("\n", text).strip()
    # Checked before normalisation, which is slow for a letter with very many accents.
    if len(text) > MAX_CODE_POINTS:
        raise InvalidTweet(f"Text must have at most {MAX_CODE_POINTS} code points.")
    text = unicodedata.normalize("NFC", text)
    if _CONTROL.search(text):
        raise InvalidTweet("Text must not contain control characters other than line breaks.")
    if not is_visible(text):
        raise InvalidTweet("Text must contain at least one visible character.")
    # A character has at least one code point, so most texts need no counting.
    if len(text) > MAX_CHARACTERS and (length := count_characters(text)) > MAX_CHARACTERS:
        raise InvalidTweet(f"Text must have at most {MAX_CHARACTERS} characters; it has {length}.")
    return text


def checked_idempotency_key(key: str | None) -> str | None:
    """Return the key unchanged. Raises InvalidTweet."""
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidTweet("Idempotency key must have 1 to 64 printable ASCII characters.")
    return key
