"""The use cases and the sender on fakes."""

import pytest

from tests.unit.notifier import suite
from tests.unit.notifier.fakes import FakeNotifier


@pytest.fixture
def notifier() -> FakeNotifier:
    return FakeNotifier()


class TestSettings(suite.Settings):
    pass


class TestUnsubscribed(suite.Unsubscribed):
    pass


class TestSnapshot(suite.Snapshot):
    pass


class TestBackfilled(suite.Backfilled):
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
