"""Records become an answer of bounded size, which only its export can open."""

import json
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.exports.records import (
    Answer,
    Export,
    Limits,
    Records,
    gather,
    in_pages,
    no_personal_data,
)
from chassis.exports.seal import Seal, SealBrokenError

ADA = UUID(int=0xADA)
SECRET = "r" * 32


def exporting(*pages: Records) -> Export:
    async def export(_: UUID) -> AsyncGenerator[Records, None]:
        for page in pages:
            yield page

    return export


async def answer_of(*pages: Records, limits: Limits | None = None) -> tuple[Answer, Any]:
    answer = await gather(exporting(*pages), ADA, limits or Limits())
    return answer, json.loads(answer.text)


class TestGather:
    async def test_pages_of_a_kind_are_one_list(self) -> None:
        answer, records = await answer_of(
            Records("tweets", [{"n": 1}]),
            Records("tweets", [{"n": 2}, {"n": 3}]),
            Records("feeds", []),
            Records("likes", [{"n": 4}]),
        )
        assert records == {
            "tweets": [{"n": 1}, {"n": 2}, {"n": 3}],
            "feeds": [],
            "likes": [{"n": 4}],
        }
        assert (answer.records, answer.truncated) == (4, False)

    async def test_ids_and_times_are_text(self) -> None:
        time = datetime(2026, 1, 1, tzinfo=UTC)
        _, records = await answer_of(
            Records("a", [{"id": ADA, "at": time, "text": "👋", "no": None}])
        )
        assert records == {
            "a": [{"id": str(ADA), "at": "2026-01-01T00:00:00Z", "text": "👋", "no": None}]
        }

    async def test_other_values_are_refused(self) -> None:
        with pytest.raises(TypeError):
            await answer_of(Records("a", [{"hash": b"secret"}]))

    async def test_user_without_records_has_an_empty_answer(self) -> None:
        answer = await gather(no_personal_data, ADA)
        assert (answer.records, answer.truncated, answer.text) == (0, False, "{}")

    async def test_kind_that_comes_back_is_refused(self) -> None:
        with pytest.raises(ValueError, match="the pages of a do not follow one another"):
            await answer_of(Records("a", []), Records("b", []), Records("a", []))

    @pytest.mark.parametrize(
        ("limits", "kept"),
        [(Limits(records=3), 3), (Limits(size=7 * 4), 4), (Limits(records=5), 5)],
    )
    async def test_answer_is_cut_at_the_limits(self, limits: Limits, kept: int) -> None:
        read = []

        async def export(_: UUID) -> AsyncGenerator[Records, None]:
            for number in range(5):
                read.append(number)
                yield Records("a", [{"n": number}])  # 7 bytes

        answer = await gather(export, ADA, limits)
        assert json.loads(answer.text) == {"a": [{"n": number} for number in range(kept)]}
        assert (answer.records, answer.truncated) == (kept, kept < 5)
        # Nothing is read in vain.
        assert len(read) == min(kept + 1, 5)

    async def test_answer_survives_the_transport(self) -> None:
        answer, _ = await answer_of(Records("a", [{"text": "a\nb"}]), limits=Limits(records=1))
        assert Answer.from_bytes(answer.to_bytes()) == answer

    @pytest.mark.parametrize("data", [b"", b"{}", b"null\n", b"[]\nabc", b"\xff\n"])
    def test_other_bytes_are_no_answer(self, data: bytes) -> None:
        with pytest.raises(ValueError, match=r"header|JSON|decode|Expecting"):
            Answer.from_bytes(data)


class TestInPages:
    @pytest.mark.parametrize("rows", [0, 1, 199, 200, 201, 400])
    async def test_every_row_is_read_once(self, rows: int) -> None:
        ids = [UUID(int=number) for number in range(1, rows + 1)]

        async def read(after: UUID, limit: int) -> Sequence[UUID]:
            return [each for each in ids if each > after][:limit]

        pages = [page async for page in in_pages(read, key=lambda row: row)]
        assert [row for page in pages for row in page] == ids
        assert len(pages) == rows // 200 + 1


class TestSeal:
    def test_sealed_text_opens(self) -> None:
        export_id = uuid4()
        sealed = Seal(SECRET, export_id).close("tweets", b"Hello")
        assert Seal(SECRET, export_id).open("tweets", sealed) == b"Hello"
        assert b"Hello" not in sealed

    @pytest.mark.parametrize("case", ["secret", "export", "label", "bit", "cut", "empty"])
    def test_anything_else_does_not_open(self, case: str) -> None:
        export_id = uuid4()
        seal = Seal(SECRET, export_id)
        sealed = seal.close("tweets", b"Hello")
        label = "tweets"
        match case:
            case "secret":
                seal = Seal("s" * 32, export_id)
            case "export":
                seal = Seal(SECRET, uuid4())
            case "label":
                label = "notifier"
            case "bit":
                sealed = sealed[:-1] + bytes([sealed[-1] ^ 1])
            case "cut":
                sealed = sealed[:10]
            case "empty":
                sealed = b""
        with pytest.raises(SealBrokenError):
            seal.open(label, sealed)

    def test_same_text_is_sealed_differently_each_time(self) -> None:
        seal = Seal(SECRET, uuid4())
        assert seal.close("tweets", b"Hello") != seal.close("tweets", b"Hello")
