"""The same use cases and the same sender on PostgreSQL."""

import pytest

from chassis.database import Database
from notifier.repository import SqlUnitOfWork
from tests.unit.notifier import suite
from tests.unit.notifier.fakes import FakeNotifier


@pytest.fixture
def notifier(database: Database) -> FakeNotifier:
    return FakeNotifier(SqlUnitOfWork(database))


class TestSettings(suite.Settings):
    pass


class TestDeletedUser(suite.DeletedUser):
    pass


class TestRetweeted(suite.Retweeted):
    pass


class TestUndone(suite.Undone):
    pass


class TestBursts(suite.Bursts):
    pass


class TestSending(suite.Sending):
    pass


class TestDead(suite.Dead):
    pass


class TestPurge(suite.Purge):
    pass
