"""Every committed event is handled although workers and Redis are killed at random."""

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.database import Database
from tests.integration.chassis.conftest import event, write
from tests.integration.conftest import Server, is_empty, until

ROOT = Path(__file__).parents[3]


@pytest.fixture
async def database(outbox_database: Database) -> AsyncIterator[Database]:
    """A database with tables of the handled and rejected events."""
    for table in ("handled", "rejected"):
        await outbox_database.read(
            lambda c, table=table: c.execute(f"CREATE TABLE {table} (value text)")  # type: ignore[misc]
        )
    yield outbox_database
    await outbox_database.read(lambda c: c.execute("DROP TABLE handled, rejected"))


async def test_two_workers_and_redis_are_killed_at_random(
    database: Database, outbox_url: str, server: Server
) -> None:
    chance = random.Random(7)
    workers: list[asyncio.subprocess.Process] = []

    async def start() -> None:
        module = ["-m", "tests.integration.chassis.worker", outbox_url, server.url]
        workers.append(
            await asyncio.create_subprocess_exec(
                sys.executable, *module, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL
            )
        )

    async def kill_one() -> None:
        worker = workers.pop(0)
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
        await start()

    events = [event(f"subject {n % 7}", n=n) for n in range(600)]

    async def all_are_handled() -> bool:
        rows = await database.read(lambda c: c.fetch_all("SELECT DISTINCT value FROM handled"))
        return {row["value"] for row in rows} == {str(each.id) for each in events}

    try:
        await start()
        await start()
        for number, each in enumerate(events):
            await write(database, each)
            await asyncio.sleep(chance.uniform(0, 0.02))
            if number % 60 == 59:
                await kill_one()
            if number % 150 == 149:
                server.kill()
                server.start()
        await until(all_are_handled)
        await until(lambda: is_empty(database, "outbox"))
        assert await is_empty(database, "rejected")
    finally:
        for worker in workers:
            worker.kill()
            await worker.wait()
