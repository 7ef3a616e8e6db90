"""The notifier on a real PostgreSQL, a real Valkey and a real SMTP server."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from chassis.database import Database
from chassis.migrations import versions_of
from tests.integration.conftest import FreshDatabase
from tests.integration.notifier.smtp import SmtpSink

TABLES = (
    "recipients, addresses, tweets, notices, deliveries, inbox, rejected_events, outbox, backfills"
)


@pytest.fixture(scope="session")
async def notifier_url(fresh_database: FreshDatabase) -> str:
    """The URL of a migrated database."""
    return await fresh_database("notifier", versions_of("notifier"))


@pytest.fixture
async def database(notifier_url: str) -> AsyncIterator[Database]:
    """Connected and empty."""
    database = Database(notifier_url)
    await database.connect()
    await database.read(lambda connection: connection.execute(f"TRUNCATE {TABLES}"))
    yield database
    await database.disconnect()


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    """Connected and empty."""
    redis = Redis.from_url(valkey_url, decode_responses=True)
    await redis.flushall()
    yield redis
    await redis.aclose()


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink().running() as sink:
        yield sink
