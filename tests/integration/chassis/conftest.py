"""A database with an outbox, and a stream."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from chassis.database import Database
from chassis.events import Event
from chassis.outbox import SCHEMA, add_to_outbox
from chassis.streams import connect
from tests.integration.conftest import FreshDatabase

STREAM = "events.tests"


def event(subject: str = "subject", **data: Any) -> Event:
    return Event(
        id=uuid4(),
        source="/tests",
        type="test",
        subject=subject,
        time=datetime.now(UTC),
        data=data,
    )


@pytest.fixture(scope="session")
async def outbox_url(fresh_database: FreshDatabase) -> str:
    url = await fresh_database("outbox", None)
    database = Database(url)
    await database.connect()
    for statement in (*SCHEMA, "CREATE TABLE subjects (id text PRIMARY KEY, n int NOT NULL)"):
        await database.read(lambda c, statement=statement: c.execute(statement))  # type: ignore[misc]
    await database.disconnect()
    return url


@pytest.fixture
async def outbox_database(outbox_url: str) -> AsyncIterator[Database]:
    """A database with an empty outbox."""
    database = Database(outbox_url)
    await database.connect()
    await database.read(lambda c: c.execute("TRUNCATE outbox, subjects"))
    yield database
    await database.disconnect()


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    """A client of the shared server, which is emptied first."""
    async with connect(valkey_url) as redis:
        await redis.flushall()
        yield redis


async def write(database: Database, *events: Event) -> None:
    """Write the events in one transaction."""

    async def work(connection: Any) -> None:
        for each in events:
            await add_to_outbox(connection, each)

    await database.transaction(work)


async def published(redis: Redis) -> list[Event]:
    """Return the events in the stream."""
    entries: Any = await redis.xrange(STREAM)
    return [Event.from_json(fields["event"]) for _, fields in entries]


async def holds(redis: Redis, events: list[Event]) -> bool:
    return await published(redis) == events
