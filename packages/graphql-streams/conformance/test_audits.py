"""graphql-http's audits of GraphQL over HTTP, each with a stream instead of the JSON response."""

import asyncio
import json
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest_asyncio
from audit_server import app

from streams_server import listening

AUDITS = str(Path(__file__).with_name("audits.mjs"))

OF_JSON_RESPONSES = {"22EB", "4655", "47DE", "80D8"}
"""Want a content type of JSON; the response is a stream."""
OF_GET = {"5A70", "D6D5", "6A70"}
"""Say that a server MAY accept GET. This one does not."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def results(node: str) -> dict[str, str]:
    """Return what each audit found, by its id and name; empty where it found nothing."""
    async with listening(app) as port:
        command = (node, AUDITS, f"http://127.0.0.1:{port}/")
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
        output, _ = await asyncio.wait_for(process.communicate(), 60)
    audits = [json.loads(line) for line in output.splitlines()]
    return {f"{each['id']} {each['name']}": each.get("reason", "") for each in audits}


def test_all_audits_ran(results: dict[str, str]) -> None:
    assert len(results) >= 61


def test_only_audits_of_json_responses_and_of_get_find_anything(
    results: dict[str, str],
) -> None:
    found = {name: reason for name, reason in results.items() if reason}
    assert {name.split()[0] for name in found} == OF_JSON_RESPONSES | OF_GET, found
