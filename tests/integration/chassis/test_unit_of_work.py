"""A unit of work is all or nothing, and wakes the relay for events alone."""

from dataclasses import dataclass

import pytest

from chassis.database import Connection, Database
from chassis.outbox import SqlEventOutbox
from chassis.unit_of_work import SqlUnitOfWork
from tests.integration.chassis.conftest import event
from tests.integration.conftest import outbox


@dataclass
class Repositories:
    connection: Connection
    events: SqlEventOutbox


class Wakes:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def wakes() -> Wakes:
    return Wakes()


@pytest.fixture
def unit_of_work(outbox_database: Database, wakes: Wakes) -> SqlUnitOfWork[Repositories]:
    return SqlUnitOfWork(outbox_database, lambda c: Repositories(c, SqlEventOutbox(c)), wakes)


class TestTransaction:
    async def test_event_is_written_and_wakes_the_relay(
        self, unit_of_work: SqlUnitOfWork[Repositories], outbox_database: Database, wakes: Wakes
    ) -> None:
        written = event()
        await unit_of_work.transaction(lambda r: r.events.add(written))
        assert await outbox(outbox_database) == [written]
        assert wakes.count == 1

    async def test_failure_leaves_nothing_and_wakes_nothing(
        self, unit_of_work: SqlUnitOfWork[Repositories], outbox_database: Database, wakes: Wakes
    ) -> None:
        async def fail(repositories: Repositories) -> None:
            await repositories.events.add(event())
            raise LookupError

        with pytest.raises(LookupError):
            await unit_of_work.transaction(fail)
        assert await outbox(outbox_database) == []
        assert wakes.count == 0

    async def test_work_without_an_event_wakes_nothing(
        self, unit_of_work: SqlUnitOfWork[Repositories], wakes: Wakes
    ) -> None:
        found = await unit_of_work.transaction(lambda r: r.connection.fetch_val("SELECT 1"))
        assert (found, wakes.count) == (1, 0)

    async def test_repositories_need_no_outbox(self, outbox_database: Database) -> None:
        unit_of_work = SqlUnitOfWork(outbox_database, lambda connection: connection)
        assert await unit_of_work.transaction(lambda c: c.fetch_val("SELECT 1")) == 1


class TestRead:
    async def test_it_reads(self, unit_of_work: SqlUnitOfWork[Repositories]) -> None:
        assert await unit_of_work.read(lambda r: r.connection.fetch_val("SELECT 2")) == 2
