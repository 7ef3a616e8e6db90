"""The faster serializer of times writes the same text as `isoformat`."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.graphql.scalars import date_time

offsets = st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds)))


class TestDateTime:
    @settings(derandomize=True, database=None, deadline=None)
    @given(time=st.datetimes(timezones=st.one_of(st.none(), st.just(UTC), offsets)))
    def test_text_is_that_of_isoformat(self, time: datetime) -> None:
        assert date_time(time) == time.isoformat()

    def test_time_without_microseconds_has_no_fraction(self) -> None:
        assert date_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05+00:00"

    def test_subclass_is_written_by_its_own_isoformat(self) -> None:
        class Late(datetime):
            def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
                return "late"

        assert date_time(Late(2026, 1, 2)) == "late"
