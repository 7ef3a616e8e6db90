"""A real PostgreSQL and a real Valkey for the auth service."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from chassis.database import Database
from chassis.migrations import versions_of
from tests.integration.conftest import FreshDatabase


@pytest.fixture(scope="session")
async def auth_database_url(fresh_database: FreshDatabase) -> str:
    return await fresh_database("auth", versions_of("auth"))


@pytest.fixture
async def database(auth_database_url: str) -> AsyncIterator[Database]:
    """A connected database, emptied after the test."""
    database = Database(auth_database_url)
    await database.connect()
    yield database
    await database.transaction(
        lambda c: c.execute(
            "TRUNCATE users, account_mails, sessions, refresh_tokens, ended_sessions, outbox, "
            "deleted_users, backfills, rejected_events, security_events"
        )
    )
    await database.disconnect()


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    """A connected client of a Valkey that is emptied before the test."""
    redis = Redis.from_url(valkey_url, decode_responses=True)
    await redis.flushall()
    yield redis
    await redis.aclose()
