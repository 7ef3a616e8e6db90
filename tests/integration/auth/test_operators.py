"""What operators do, with PostgreSQL."""

import pytest

from chassis.database import Database
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.auth.repository import SqlRepositories
from tests.integration.conftest import outbox
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.operator_suite import Acts, Delete, Disable, RequireReset, Show


@pytest.fixture
def auth(database: Database) -> FakeAuth:
    return FakeAuth(SqlUnitOfWork(database, SqlRepositories.on), lambda: outbox(database))


class TestActs(Acts):
    pass


class TestDisable(Disable):
    pass


class TestRequireReset(RequireReset):
    pass


class TestDelete(Delete):
    pass


class TestShow(Show):
    pass
