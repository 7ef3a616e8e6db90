"""The command that assigns roles, beside processes that serve."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest
from redis.asyncio import Redis

from chassis.broadcast import Subscriber
from chassis.database import Database
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.auth.app import operating
from subgraphs.auth.repository import SqlRepositories
from subgraphs.auth.revocations import revocation_subscriber
from subgraphs.auth.settings import Settings
from tests.integration.auth.test_app import environment
from tests.integration.conftest import outbox
from tests.integration.service import run_command
from tests.unit.auth.fakes import MODERATION, SCOPES, FakeAuth
from tests.unit.auth.service_suite import sign_in, sign_up


@pytest.fixture
def auth(database: Database) -> FakeAuth:
    return FakeAuth(SqlUnitOfWork(database, SqlRepositories.on), lambda: outbox(database))


@asynccontextmanager
async def process(redis: Redis) -> AsyncIterator[Subscriber]:
    """Follow the ends of sessions, as every process that serves does."""

    async def never_published(_: datetime) -> Sequence[UUID]:
        return []

    subscriber = revocation_subscriber(redis, never_published, token_lifetime=60)
    async with subscriber.following():
        await subscriber.current()
        yield subscriber


async def test_every_process_knows_the_ended_sessions_when_the_command_returns(
    auth: FakeAuth, auth_database_url: str, valkey_url: str, redis: Redis
) -> None:
    ada, phone = await sign_up(auth.service), await sign_in(auth.service)
    settings = replace(
        Settings.from_env(environment(auth_database_url, valkey_url)),
        roles={"user": SCOPES, "moderator": MODERATION},
    )
    async with process(redis) as one, process(redis) as another:
        async with operating(settings, "grace") as operators:
            await operators.assign_roles("ada", ["moderator"])
        for session in (ada.session, phone.session):
            assert one.has_ended(str(session.id))
            assert another.has_ended(str(session.id))
    assert (await sign_in(auth.service)).session.scopes == SCOPES | MODERATION


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("ada", "root"), 2, "auth: there is no role root; known are user"),
        (("grace", "user"), 3, "auth: no account has this username, address or id"),
        (("ada", "user"), 0, "was in the roles user: nothing to do."),
    ],
)
async def test_command_says_what_it_did(
    auth: FakeAuth,
    auth_database_url: str,
    valkey_url: str,
    arguments: tuple[str, str],
    status: int,
    said: str,
) -> None:
    await sign_up(auth.service)
    variables = environment(auth_database_url, valkey_url)
    done = run_command("auth", "accounts", "roles", *arguments, **variables)
    assert done.returncode == status
    assert said in (done.stderr if status else done.stdout)


async def test_result_is_one_json_object(
    auth: FakeAuth, auth_database_url: str, valkey_url: str
) -> None:
    ada = await sign_up(auth.service)
    variables = environment(auth_database_url, valkey_url)
    done = run_command("auth", "accounts", "roles", "ada", "user", "--json", **variables)
    assert json.loads(done.stdout) == {
        "action": "roles",
        "userId": str(ada.user.id),
        "username": "ada",
        "changed": False,
        "endedSessions": [],
        "mailed": False,
    }
