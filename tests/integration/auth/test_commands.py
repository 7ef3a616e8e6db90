"""The commands of auth, as processes: what they print, and their exit status."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from chassis.database import Database
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.auth.repository import SqlRepositories
from tests.integration.auth.test_app import environment
from tests.integration.conftest import outbox
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.security_event_suite import recorded
from tests.unit.auth.service_suite import PHONE, sign_up


@pytest.fixture
def auth(database: Database) -> FakeAuth:
    return FakeAuth(SqlUnitOfWork(database, SqlRepositories.on), lambda: outbox(database))


@pytest.fixture
def variables(auth_database_url: str, valkey_url: str) -> dict[str, str]:
    return environment(auth_database_url, valkey_url)


async def run(variables: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "subgraphs.auth", *arguments),
        env={"PATH": os.environ["PATH"], **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def test_purge_removes_security_events_of_before_the_setting(
    auth: FakeAuth, variables: dict[str, str]
) -> None:
    today = auth.clock.now
    auth.clock.now = today - timedelta(days=8)
    old = await sign_up(auth.service)
    auth.clock.now = today - timedelta(days=6)
    await auth.service.sign_in(
        login="ada", password="correct horse battery", scopes=None, device=PHONE
    )
    kept = await run(variables, "purge")
    assert kept == (0, "0 rows removed\n", "")
    purged = await run({**variables, "AUTH_SECURITY_EVENT_DAYS": "7"}, "purge")
    assert purged == (0, "1 rows removed\n", "")
    assert [event.kind for event in await recorded(auth, old.user.id)] == [
        "signed-in-on-new-device"
    ]


class TestAccounts:
    async def test_act_is_printed_in_words_and_as_json(
        self, auth: FakeAuth, variables: dict[str, str], redis: Redis
    ) -> None:
        ada = (await sign_up(auth.service)).user
        status, output, errors = await run(variables, "accounts", "disable", "ada")
        assert (status, errors) == (0, "")
        assert output == (
            f"ada ({ada.id}) is disabled. Sessions ended: 1. No mail: no verified address.\n"
        )
        status, output, errors = await run(variables, "accounts", "disable", "ada")
        assert (status, output) == (0, f"ada ({ada.id}) was disabled before: nothing to do.\n")
        _, output, _ = await run(variables, "accounts", "enable", "ada", "--json")
        assert json.loads(output) == {
            "action": "enable",
            "userId": str(ada.id),
            "username": "ada",
            "changed": True,
            "endedSessions": [],
            "mailed": False,
        }

    async def test_wrong_arguments_and_settings_are_status_2(
        self, variables: dict[str, str]
    ) -> None:
        assert (await run(variables, "accounts", "disable"))[0] == 2
        assert (await run(variables, "accounts", "forgive", "ada"))[0] == 2
        status, _, errors = await run({}, "accounts", "show", "ada")
        assert status == 2
        assert errors.startswith("auth: invalid environment: ")
