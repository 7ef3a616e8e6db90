"""Security events with PostgreSQL."""

from datetime import timedelta

import asyncpg
import pytest

from chassis.database import Database
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.auth.repository import SqlRepositories
from tests.integration.conftest import outbox
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.security_event_suite import Changes, Pages, Refusals, Sessions, recorded
from tests.unit.auth.service_suite import sign_in, sign_up


@pytest.fixture
def auth(database: Database) -> FakeAuth:
    return FakeAuth(SqlUnitOfWork(database, SqlRepositories.on), lambda: outbox(database))


class TestSessions(Sessions):
    pass


class TestRefusals(Refusals):
    pass


class TestChanges(Changes):
    pass


class TestPages(Pages):
    pass


class TestTable:
    async def test_row_cannot_be_changed(self, auth: FakeAuth, database: Database) -> None:
        await sign_up(auth.service)
        with pytest.raises(asyncpg.RaiseError, match="rows of security_events never change"):
            await database.transaction(lambda c: c.execute("UPDATE security_events SET kind = ''"))

    async def test_purge_removes_old_events(self, auth: FakeAuth, database: Database) -> None:
        ada = await sign_up(auth.service)
        auth.clock.advance(days=1)
        await sign_in(auth.service)
        before = auth.clock.now - timedelta(hours=1)
        purged = await database.transaction(
            lambda c: SqlRepositories.on(c).security_events.purge(before)
        )
        (event,) = await recorded(auth, ada.user.id)
        assert (purged, event.at) == (1, auth.clock.now)

    async def test_kind_of_a_later_release_is_left_out(
        self, auth: FakeAuth, database: Database
    ) -> None:
        ada = await sign_up(auth.service)
        await database.transaction(
            lambda c: c.execute(
                "INSERT INTO security_events (user_id, id, kind, at) "
                "SELECT user_id, gen_random_uuid(), 'of-a-later-release', at FROM security_events"
            )
        )
        assert len(await recorded(auth, ada.user.id)) == 1
