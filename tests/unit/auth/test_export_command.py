"""The document of an export says what it lacks."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from chassis.exports.records import Answer, Limits, Records, gather
from chassis.topology import parse
from subgraphs.auth.export_command import Document, unasked

ADA = UUID(int=0xADA)
SERVICES = """
[project]
name = "chirp"
title = "Chirp"

[services.auth]
module = "subgraphs.auth"
kind = "subgraph"
port = 1
database = true
publishes = true

[services.likes]
module = "subgraphs.likes"
kind = "subgraph"
port = 2
database = true
consumes = ["auth"]

[services.catalog]
module = "subgraphs.catalog"
kind = "subgraph"
port = 3
database = true

[services.explorer]
module = "explorer"
kind = "page"
port = 4
"""


async def answer(limits: Limits) -> Answer:
    async def export(_: UUID) -> Any:
        yield Records("rows", [{"n": 1}, {"n": 2}])

    return await gather(export, ADA, limits)


def document(answers: dict[str, Answer], missing: dict[str, str]) -> tuple[Document, Any]:
    made = Document(UUID(int=1), ADA, datetime(2026, 1, 1, tzinfo=UTC), answers, missing)
    return made, json.loads("".join(made.json()))


class TestDocument:
    async def test_complete_document(self) -> None:
        whole = await answer(Limits())
        made, read = document({"auth": whole, "tweets": whole}, {})
        assert made.complete
        assert read == {
            "exportId": str(UUID(int=1)),
            "userId": str(ADA),
            "exportedAt": "2026-01-01T00:00:00Z",
            "complete": True,
            "missing": {},
            "truncated": [],
            "services": {
                "auth": {"rows": [{"n": 1}, {"n": 2}]},
                "tweets": {"rows": [{"n": 1}, {"n": 2}]},
            },
        }

    async def test_missing_service_makes_it_incomplete(self) -> None:
        made, read = document({"auth": await answer(Limits())}, {"tweets": "no answer"})
        assert not made.complete
        assert (read["complete"], read["missing"]) == (False, {"tweets": "no answer"})

    @pytest.mark.parametrize("limits", [Limits(records=1), Limits(size=10)])
    async def test_cut_answer_makes_it_incomplete(self, limits: Limits) -> None:
        made, read = document({"auth": await answer(limits)}, {})
        assert not made.complete
        assert (read["complete"], read["truncated"]) == (False, ["auth"])
        assert read["services"]["auth"]["rows"] == [{"n": 1}]


class TestUnasked:
    def test_database_of_a_service_that_gets_no_request_is_missing(self) -> None:
        assert unasked(parse(SERVICES)) == {
            "catalog": 'services.toml lacks consumes = ["auth"], so it does not get the request'
        }
