"""The envelope of what has happened: CloudEvents 1.0 as JSON, and nothing of what is inside."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

_SPECVERSION = "1.0"
_CONTENT_TYPE = "application/json"


class MalformedEventError(ValueError):
    """The text is no event; the message says what is wrong, and quotes nothing of the text."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that has happened.

    `source` is the service that tells (`/auth`), `type` what it was (`user-registered`), `subject`
    what it happened to: events of one subject are published in the order in which they happened.
    The same event may arrive more than once; `id` tells.
    """

    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    data: Mapping[str, Any]
    traceparent: str | None = None

    def to_json(self) -> str:
        """The event in CloudEvents' structured JSON format."""
        attributes = {
            "specversion": _SPECVERSION,
            "id": str(self.id),
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "datacontenttype": _CONTENT_TYPE,
            "data": self.data,
        }
        if self.traceparent is not None:
            attributes["traceparent"] = self.traceparent
        return json.dumps(attributes, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Event":
        """Reads what `to_json` writes; attributes that it does not know are ignored.

        Raises MalformedEventError.
        """
        try:
            attributes = json.loads(text)
        except (ValueError, RecursionError):
            raise MalformedEventError("it is not JSON") from None
        if not isinstance(attributes, dict):
            raise MalformedEventError("it is not a JSON object")
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


def _text(attributes: Mapping[str, Any], name: str) -> str:
    value = attributes.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedEventError(f"{name} is missing or no text")
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
        raise MalformedEventError("time is not a time") from None
    if time.tzinfo is None:
        raise MalformedEventError("time has no offset from UTC")
    return time.astimezone(UTC)
