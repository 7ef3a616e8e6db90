"""The export of auth on PostgreSQL."""

import pytest

from chassis.database import Database
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.auth.repository import SqlRepositories
from tests.integration.conftest import outbox
from tests.unit.auth import export_suite
from tests.unit.auth.fakes import FakeAuth


@pytest.fixture
def auth(database: Database) -> FakeAuth:
    return FakeAuth(SqlUnitOfWork(database, SqlRepositories.on), lambda: outbox(database))


class TestFind(export_suite.Find):
    pass


class TestRequestExport(export_suite.RequestExport):
    pass


class TestUserRecords(export_suite.UserRecords):
    pass
