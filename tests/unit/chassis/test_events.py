"""Events are CloudEvents in JSON; other text is refused with a reason."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from chassis.events import Event, EventData, MalformedEventError

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
    def test_result_is_a_cloud_event(self) -> None:
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

    def test_result_is_ascii_without_nul(self) -> None:
        assert EVENT.to_json().isascii()
        assert "\0" not in EVENT.to_json()


class TestFromJson:
    def test_event_survives_a_round_trip(self) -> None:
        assert Event.from_json(EVENT.to_json()) == EVENT

    def test_traceparent_is_read(self) -> None:
        traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        assert Event.from_json(changed(traceparent=traceparent)).traceparent == traceparent

    def test_unknown_attributes_are_ignored(self) -> None:
        assert Event.from_json(changed(tenant="x", dataschema="y")) == EVENT

    def test_time_may_have_any_offset(self) -> None:
        elsewhere = EVENT.time.astimezone(timezone(timedelta(hours=5))).isoformat()
        assert Event.from_json(changed(time=elsewhere)) == EVENT

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "the event is not JSON"),
            ("{", "the event is not JSON"),
            ("[" * 100_000, "the event is not JSON"),
            ("[]", "the event is not a JSON object"),
            ("{}", "specversion is not 1.0"),
            (changed(specversion="2.0"), "specversion is not 1.0"),
            (changed(datacontenttype="text/xml"), "datacontenttype is not application/json"),
            (changed(data=[]), "data is not an object"),
            (changed(id=None), "id is not a non-empty string"),
            (changed(id="1"), "id is not a UUID"),
            (changed(source=""), "source is not a non-empty string"),
            (changed(type=1), "type is not a non-empty string"),
            (changed(subject=None), "subject is not a non-empty string"),
            (changed(time="soon"), "time is not an ISO 8601 time"),
            (changed(time="2026-01-01T00:00:00"), "time has no offset from UTC"),
            (changed(traceparent=1), "traceparent is not a non-empty string"),
        ],
    )
    def test_malformed_event_is_refused_with_the_reason(self, text: str, reason: str) -> None:
        with pytest.raises(MalformedEventError) as refused:
            Event.from_json(text)
        assert str(refused.value) == reason


class TestOfFact:
    def of(self, type: str, fact: int) -> Event:
        return Event.of_fact(
            type, UUID(int=fact), source="/tests", subject=UUID(int=2), time=EVENT.time, data={}
        )

    def test_same_fact_has_the_same_id(self) -> None:
        assert self.of("it-happened", 1) == self.of("it-happened", 1)

    def test_other_fact_or_type_has_another_id(self) -> None:
        events = [self.of("it-happened", 1), self.of("it-happened", 2), self.of("it-ended", 1)]
        assert len({event.id for event in events}) == 3


class TestEventData:
    DATA = EventData(
        {
            "id": str(UUID(int=1)),
            "flag": True,
            "number": 3,
            "time": "2026-01-02T04:04:05+01:00",
            "text": "Grüße\n👋",
            "nothing": None,
            "part": {"flag": False, "text": 1},
        }
    )

    def test_fields_are_read_by_their_types(self) -> None:
        assert self.DATA.id("id") == UUID(int=1)
        assert self.DATA.flag("flag") is True
        assert self.DATA.integer("number") == 3
        assert self.DATA.time("time") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert self.DATA.text("text") == "Grüße\n👋"
        assert self.DATA.line("time", 25) == "2026-01-02T04:04:05+01:00"
        assert self.DATA.part("part").flag("flag") is False

    def test_contains_tells_whether_a_field_exists(self) -> None:
        assert "nothing" in self.DATA
        assert "missing" not in self.DATA

    def test_line_can_have_a_character_newer_than_python(self) -> None:
        assert EventData({"name": "\U0001fa77\u0378"}).line("name", 2) == "\U0001fa77\u0378"

    @pytest.mark.parametrize("read", ["id", "flag", "integer", "time", "text", "part"])
    @pytest.mark.parametrize("name", ["missing", "nothing"])
    def test_missing_field_is_named(self, read: str, name: str) -> None:
        with pytest.raises(MalformedEventError, match=rf"^data\.{name} is not "):
            getattr(self.DATA, read)(name)

    @pytest.mark.parametrize(
        ("read", "value"),
        [
            *(("id", value) for value in ("1", "", 1)),
            *(("flag", value) for value in (1, "true")),
            *(("integer", value) for value in (True, 1.0, "1")),
            *(("time", value) for value in ("2026-01-02T03:04:05", "today", 1)),
            *(("text", value) for value in ("a\0", "\ud83d", "a" * 10_001, 1)),
            ("part", []),
        ],
    )
    def test_wrong_value_is_named_and_not_quoted(self, read: str, value: object) -> None:
        with pytest.raises(MalformedEventError) as raised:
            getattr(EventData({"secret": value}), read)("secret")
        assert str(raised.value).startswith("data.secret is not a")

    @pytest.mark.parametrize("line", ["", "a\nb", "abcd", "a\u202eb"])
    def test_line_is_printable_and_not_too_long(self, line: str) -> None:
        with pytest.raises(MalformedEventError, match="one line of at most 3 characters"):
            EventData({"line": line}).line("line", 3)

    def test_field_of_a_part_has_a_path(self) -> None:
        with pytest.raises(MalformedEventError, match=r"^data\.part\.text is not a str$"):
            self.DATA.part("part").text("text")
