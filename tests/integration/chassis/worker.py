"""A process that publishes an outbox and handles its events, for tests that kill it."""

import asyncio
import sys

from chassis.database import Database
from chassis.events import Event
from chassis.outbox import OutboxRelay
from chassis.streams import StreamConsumer, connect
from tests.integration.chassis.conftest import STREAM


async def work(database_url: str, redis_url: str) -> None:
    database = Database(database_url, pool_size=3)
    await database.connect()

    async def keep(table: str, value: str) -> None:
        await database.transaction(
            lambda c: c.execute(f"INSERT INTO {table} (value) VALUES (:value)", {"value": value})
        )

    async def handle(event: Event) -> None:
        await keep("handled", str(event.id))

    async def reject(text: str, reason: str) -> None:
        await keep("rejected", reason + text)

    async with (
        connect(redis_url) as redis,
        OutboxRelay(database, redis, STREAM, groups=["workers"], limit=50, settle=0.0).running(),
        StreamConsumer(
            redis, [STREAM], group="workers", handle=handle, reject=reject, claim_idle=1.0
        ).running(),
    ):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
