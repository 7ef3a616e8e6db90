"""Arguments and cursors of a page, and its `PageInfo`."""

from dataclasses import dataclass
from uuid import UUID

import pytest

from chassis.errors import BadUserInput
from chassis.graphql.paging import PageInfo, cursor, page_request, position_of
from chassis.paging import Page, PageRequest


@dataclass
class Edge:
    cursor: str


class TestPageRequest:
    def test_first_page_has_no_cursor(self) -> None:
        assert page_request(1, None) == PageRequest(1)

    def test_cursor_holds_the_id_of_an_item(self) -> None:
        item = UUID(int=2**128 - 1)
        assert page_request(100, cursor(item.bytes)) == PageRequest(100, item)

    @pytest.mark.parametrize("first", [-1, 0, 101])
    def test_size_out_of_range_is_refused(self, first: int) -> None:
        with pytest.raises(BadUserInput, match="`first` must be between 1 and 100"):
            page_request(first, None)

    @pytest.mark.parametrize(
        "after", ["", "a", "é", "AAAA", cursor(bytes(15)), f"{cursor(bytes(16))}=="]
    )
    def test_text_that_is_not_a_cursor_is_refused(self, after: str) -> None:
        with pytest.raises(BadUserInput, match="`after` is not a cursor"):
            page_request(1, after)


class TestCursor:
    @pytest.mark.parametrize("length", range(18))
    def test_position_survives_a_round_trip(self, length: int) -> None:
        written = cursor(bytes([255] * length))
        assert position_of(written) == bytes([255] * length)
        assert not set(written) & set("+/=\n")


class TestPageInfo:
    def test_page_has_the_cursors_of_its_first_and_last_item(self) -> None:
        info = PageInfo.of(Page([1, 2], has_next=True), [Edge("a"), Edge("b")])
        assert (info.start_cursor, info.end_cursor) == ("a", "b")
        assert (info.has_next_page, info.has_previous_page) == (True, False)

    def test_empty_page_has_no_cursors(self) -> None:
        info = PageInfo.of(Page(has_previous=True), [])
        assert (info.start_cursor, info.end_cursor, info.has_previous_page) == (None, None, True)
