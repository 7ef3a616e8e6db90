"""The envelope of integration events: CloudEvents 1.0 as JSON, whatever their data is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid5

import orjson

from chassis.text import is_one_line

T = TypeVar("T")

_SPECVERSION = "1.0"
_CONTENT_TYPE = "application/json"
_LONGEST_TEXT = 10_000


class MalformedEventError(ValueError):
    """A text is not an event. The message names the problem and quotes nothing of the text."""


@dataclass(frozen=True, slots=True)
class Event:
    """A fact, as its service publishes it.

    `source` is the service (`/auth`), `type` the kind of fact (`user-registered`), `subject` what
    it is about. Events of one subject are published in the order in which they happened. The same
    event may arrive more than once; its `id` stays the same.
    """

    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    data: Mapping[str, Any]
    traceparent: str | None = None

    @classmethod
    def of_fact(
        cls,
        type: str,
        fact: UUID,
        *,
        source: str,
        subject: UUID,
        time: datetime,
        data: Mapping[str, Any],
    ) -> "Event":
        """Return the event of a fact that happens only once to what `fact` identifies.

        The id of the event is derived from `type` and `fact`, so the same fact has the same id.
        """
        return cls(uuid5(fact, type), source, type, str(subject), time, data)

    @property
    def fields(self) -> "EventData":
        """Typed access to the data."""
        return EventData(self.data)

    def to_json(self) -> str:
        """Return the event in the structured JSON format of CloudEvents."""
        attributes = {
            "specversion": _SPECVERSION,
            "id": str(self.id),
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": time_text(self.time),
            "datacontenttype": _CONTENT_TYPE,
            "data": self.data,
        }
        if self.traceparent is not None:
            attributes["traceparent"] = self.traceparent
        return json.dumps(attributes, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Event":
        """Return the event in a text that `to_json` wrote. Unknown attributes are ignored.

        Raises MalformedEventError.
        """
        try:
            attributes = orjson.loads(text)
        except ValueError:
            raise MalformedEventError("the event is not JSON") from None
        if not isinstance(attributes, dict):
            raise MalformedEventError("the event is not a JSON object")
        if attributes.get("specversion") != _SPECVERSION:
            raise MalformedEventError(f"specversion is not {_SPECVERSION}")
        if attributes.get("datacontenttype", _CONTENT_TYPE) != _CONTENT_TYPE:
            raise MalformedEventError(f"datacontenttype is not {_CONTENT_TYPE}")
        data = attributes.get("data")
        if not isinstance(data, dict):
            raise MalformedEventError("data is not an object")
        return cls(
            id=_id(_text(attributes, "id")),
            source=_text(attributes, "source"),
            type=_text(attributes, "type"),
            subject=_text(attributes, "subject"),
            time=_time(_text(attributes, "time")),
            data=data,
            traceparent=_text(attributes, "traceparent") if "traceparent" in attributes else None,
        )


class EventData:
    """Typed access to the data of an event.

    Every method raises MalformedEventError for a field that is missing or holds something else. The
    message names the field and never quotes its value.
    """

    __slots__ = ("_data", "_path")

    def __init__(self, data: Mapping[str, Any], path: str = "data") -> None:
        self._data = data
        self._path = path

    def __contains__(self, name: str) -> bool:
        return name in self._data

    def id(self, name: str) -> UUID:
        try:
            return UUID(self._get(name, str))
        except ValueError:
            raise self._malformed(name, "an id") from None

    def flag(self, name: str) -> bool:
        return self._get(name, bool)

    def integer(self, name: str) -> int:
        if isinstance(value := self._get(name, int), bool):
            raise self._malformed(name, "an int")
        return value

    def time(self, name: str) -> datetime:
        """Return a time, in UTC."""
        try:
            time = datetime.fromisoformat(self._get(name, str))
        except ValueError:
            raise self._malformed(name, "a time") from None
        if time.tzinfo is None:
            raise self._malformed(name, "a time with an offset from UTC")
        return time.astimezone(UTC)

    def text(self, name: str) -> str:
        """Return a text that PostgreSQL can store, of at most 10,000 characters."""
        text = self._get(name, str)
        # PostgreSQL rejects a NUL and a lone surrogate.
        if len(text) > _LONGEST_TEXT or any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text):
            raise self._malformed(name, "a text that can be stored")
        return text

    def line(self, name: str, longest: int) -> str:
        """Return one line of 1 to `longest` characters, fit for the header of a mail."""
        line = self.text(name)
        if not line or len(line) > longest or not is_one_line(line):
            raise self._malformed(name, f"one line of at most {longest} characters")
        return line

    def part(self, name: str) -> "EventData":
        """Return access to an object inside the data."""
        return EventData(self._get(name, dict), f"{self._path}.{name}")

    def _get(self, name: str, kind: type[T]) -> T:
        value = self._data.get(name)
        if not isinstance(value, kind):
            raise self._malformed(name, f"a {kind.__name__}")
        return value

    def _malformed(self, name: str, wanted: str) -> MalformedEventError:
        return MalformedEventError(f"{self._path}.{name} is not {wanted}")


def time_text(time: datetime) -> str:
    """Return a time in the form of events: ISO 8601 in UTC, with a Z."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _text(attributes: Mapping[str, Any], name: str) -> str:
    value = attributes.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedEventError(f"{name} is not a non-empty string")
    return value


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise MalformedEventError("id is not a UUID") from None


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise MalformedEventError("time is not an ISO 8601 time") from None
    if time.tzinfo is None:
        raise MalformedEventError("time has no offset from UTC")
    return time.astimezone(UTC)
