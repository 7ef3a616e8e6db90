"""The auth service on a real PostgreSQL and a real Valkey."""

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
    """Connected, and emptied after the test."""
    database = Database(auth_database_url)
    await database.connect()
    yield database
    await database.transaction(
        lambda c: c.execute(
            "TRUNCATE users, sessions, refresh_tokens, ended_sessions, outbox, "
            "deleted_users, backfills, rejected_events"
        )
    )
    await database.disconnect()


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    """Connected, and emptied before the test."""
    redis = Redis.from_url(valkey_url, decode_responses=True)
    await redis.flushall()
    yield redis
    await redis.aclose()
