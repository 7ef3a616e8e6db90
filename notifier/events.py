"""The events of the notifier, and those of others that it understands; it ignores the rest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid5

from chassis.events import Event
from chassis.text import is_one_line
from notifier.domain import EmailSettings
from notifier.errors import InvalidEvent

T = TypeVar("T")
GROUP = "notifier"

STREAM = "events.notifier"
SOURCE = "/notifier"
EMAIL_SETTINGS_CHANGED = "email-settings-changed"

_BEFORE_THERE_WERE_TIMES = datetime(1970, 1, 1, tzinfo=UTC)

_LONGEST_ADDRESS = 320
_LONGEST_NAME = 100
_LONGEST_TEXT = 10_000


@dataclass(frozen=True, slots=True)
class UserRegistered:
    user_id: UUID
    username: str
    email: str
    retweets: bool
    changed_at: datetime | None = None
    """When the settings were changed here, if auth was told; None for those of sign-up."""


@dataclass(frozen=True, slots=True)
class UserDeleted:
    user_id: UUID


@dataclass(frozen=True, slots=True)
class TweetRetweeted:
    retweet_id: UUID
    tweet_id: UUID
    text: str
    author_id: UUID
    retweeter_id: UUID
    retweeter_username: str


@dataclass(frozen=True, slots=True)
class RetweetUndone:
    retweet_id: UUID
    tweet_id: UUID
    retweeter_id: UUID


@dataclass(frozen=True, slots=True)
class TweetDeleted:
    tweet_id: UUID
    author_id: UUID


Happened = UserRegistered | UserDeleted | TweetRetweeted | RetweetUndone | TweetDeleted


class _Data:
    """Typed access to an event's data. Raises InvalidEvent, and never quotes a value."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    def _get(self, name: str, kind: type[T]) -> T:
        value = self._data.get(name)
        if not isinstance(value, kind):
            raise InvalidEvent(f"{name} is not a {kind.__name__}")
        return value

    def id(self, name: str) -> UUID:
        try:
            return UUID(self._get(name, str))
        except ValueError:
            raise InvalidEvent(f"{name} is not an id") from None

    def time(self, name: str) -> datetime:
        try:
            time = datetime.fromisoformat(self._get(name, str))
        except ValueError:
            raise InvalidEvent(f"{name} is not a time") from None
        if time.tzinfo is None:
            raise InvalidEvent(f"{name} has no offset from UTC")
        return time

    def has(self, name: str) -> bool:
        return name in self._data

    def flag(self, name: str) -> bool:
        return self._get(name, bool)

    def part(self, name: str) -> "_Data":
        return _Data(self._get(name, dict))

    def text(self, name: str) -> str:
        text = self._get(name, str)
        # PostgreSQL keeps neither a NUL nor half of a surrogate pair.
        if len(text) > _LONGEST_TEXT or any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text):
            raise InvalidEvent(f"{name} is not a text that can be kept")
        return text

    def line(self, name: str, longest: int) -> str:
        """A text that goes into a header of a mail."""
        line = self.text(name)
        if not line or len(line) > longest or not is_one_line(line):
            raise InvalidEvent(f"{name} is not one line of at most {longest} characters")
        return line


def _user_registered(data: _Data) -> UserRegistered:
    settings = data.part("emailSettings")
    return UserRegistered(
        user_id=data.id("userId"),
        username=data.line("username", _LONGEST_NAME),
        email=data.line("email", _LONGEST_ADDRESS),
        retweets=settings.flag("retweets"),
        changed_at=settings.time("changedAt") if settings.has("changedAt") else None,
    )


def _tweet_retweeted(data: _Data) -> TweetRetweeted:
    return TweetRetweeted(
        retweet_id=data.id("retweetId"),
        tweet_id=data.id("tweetId"),
        text=data.text("text"),
        author_id=data.id("authorId"),
        retweeter_id=data.id("retweeterId"),
        retweeter_username=data.line("retweeterUsername", _LONGEST_NAME),
    )


_PARSERS: Mapping[str, Callable[[_Data], Happened]] = {
    "user-registered": _user_registered,
    "user-deleted": lambda data: UserDeleted(data.id("userId")),
    "tweet-retweeted": _tweet_retweeted,
    "retweet-undone": lambda data: RetweetUndone(
        data.id("retweetId"), data.id("tweetId"), data.id("retweeterId")
    ),
    "tweet-deleted": lambda data: TweetDeleted(data.id("tweetId"), data.id("authorId")),
}


def parse(type: str, data: object) -> Happened | None:  # noqa: A002
    """What happened, or None for a type that means nothing here. Raises InvalidEvent."""
    parser = _PARSERS.get(type)
    if parser is None:
        return None
    if not isinstance(data, Mapping):
        raise InvalidEvent("data is not an object")
    return parser(_Data(data))


def email_settings_changed(user_id: UUID, settings: EmailSettings, at: datetime | None) -> Event:
    """Return the event of a choice; its id follows from the person and the time.

    `at` is None for a choice of which no time is known: it gives way to every other.
    """
    time = at or _BEFORE_THERE_WERE_TIMES
    return Event(
        id=uuid5(user_id, f"{EMAIL_SETTINGS_CHANGED} {time.astimezone(UTC).isoformat()}"),
        source=SOURCE,
        type=EMAIL_SETTINGS_CHANGED,
        subject=str(user_id),
        time=time,
        data={"userId": str(user_id), "retweets": settings.retweets},
    )
