"""Events are written as CloudEvents, and whatever is none is refused with a reason."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from chassis.events import Event, MalformedEventError

EVENT = Event(
    id=UUID(int=1),
    source="/tests",
    type="it-happened",
    subject="42",
    time=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    data={"text": "Grüße 👋\u0000"},
)


def changed(**attributes: Any) -> str:
    return json.dumps({**json.loads(EVENT.to_json()), **attributes})


class TestToJson:
    def test_it_is_a_cloud_event(self) -> None:
        assert json.loads(EVENT.to_json()) == {
            "specversion": "1.0",
            "id": "00000000-0000-0000-0000-000000000001",
            "source": "/tests",
            "type": "it-happened",
            "subject": "42",
            "time": "2026-01-02T03:04:05.000678Z",
            "datacontenttype": "application/json",
            "data": {"text": "Grüße 👋\u0000"},
        }

    def test_every_store_takes_it(self) -> None:
        assert EVENT.to_json().isascii()
        assert "\0" not in EVENT.to_json()


class TestFromJson:
    def test_it_reads_what_was_written(self) -> None:
        assert Event.from_json(EVENT.to_json()) == EVENT

    def test_a_trace_travels(self) -> None:
        traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        assert Event.from_json(changed(traceparent=traceparent)).traceparent == traceparent

    def test_what_is_new_in_it_is_ignored(self) -> None:
        assert Event.from_json(changed(tenant="x", dataschema="y")) == EVENT

    def test_a_time_may_have_any_offset(self) -> None:
        elsewhere = EVENT.time.astimezone(timezone(timedelta(hours=5))).isoformat()
        assert Event.from_json(changed(time=elsewhere)) == EVENT

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "it is not JSON"),
            ("{", "it is not JSON"),
            ("[" * 100_000, "it is not JSON"),
            ("[]", "it is not a JSON object"),
            ("{}", "specversion is not 1.0"),
            (changed(specversion="2.0"), "specversion is not 1.0"),
            (changed(datacontenttype="text/xml"), "datacontenttype is not application/json"),
            (changed(data=[]), "data is not an object"),
            (changed(id=None), "id is missing or no text"),
            (changed(id="1"), "id is not a UUID"),
            (changed(source=""), "source is missing or no text"),
            (changed(type=1), "type is missing or no text"),
            (changed(subject=None), "subject is missing or no text"),
            (changed(time="soon"), "time is not a time"),
            (changed(time="2026-01-01T00:00:00"), "time has no offset from UTC"),
            (changed(traceparent=1), "traceparent is missing or no text"),
        ],
    )
    def test_what_is_none_is_refused_with_the_reason(self, text: str, reason: str) -> None:
        with pytest.raises(MalformedEventError) as refused:
            Event.from_json(text)
        assert str(refused.value) == reason
