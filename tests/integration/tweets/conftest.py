"""The tweets service on a real PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from chassis.database import Database
from chassis.migrations import versions_of
from tests.integration.conftest import FreshDatabase


@pytest.fixture(scope="session")
async def tweets_url(fresh_database: FreshDatabase) -> str:
    """Return the URL of a migrated database."""
    return await fresh_database("tweets", versions_of("tweets"))


@pytest.fixture
async def database(tweets_url: str) -> AsyncIterator[Database]:
    """Connect to the database, which holds no rows."""
    database = Database(tweets_url)
    await database.connect()
    await database.read(
        lambda connection: connection.execute(
            "TRUNCATE tweets, feeds, outbox, rejected_events, deleted_tweets, backfills"
        )
    )
    yield database
    await database.disconnect()
