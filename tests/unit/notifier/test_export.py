"""The export of the notifier on the fakes."""

import pytest

from tests.unit.notifier import export_suite
from tests.unit.notifier.fakes import FakeNotifier


@pytest.fixture
def notifier() -> FakeNotifier:
    return FakeNotifier()


class TestUserRecords(export_suite.UserRecords):
    pass
