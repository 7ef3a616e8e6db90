"""The export of the notifier on PostgreSQL."""

import pytest

from chassis.database import Database
from chassis.unit_of_work import SqlUnitOfWork
from notifier.repository import SqlRepositories
from tests.integration.conftest import outbox
from tests.unit.notifier import export_suite
from tests.unit.notifier.fakes import DIGESTS, FakeNotifier


@pytest.fixture
def notifier(database: Database) -> FakeNotifier:
    unit_of_work = SqlUnitOfWork(database, SqlRepositories.using(DIGESTS))
    return FakeNotifier(unit_of_work, lambda: outbox(database))


class TestUserRecords(export_suite.UserRecords):
    pass
