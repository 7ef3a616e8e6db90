"""The export of auth on the fake repositories."""

import pytest

from tests.unit.auth import export_suite
from tests.unit.auth.fakes import FakeAuth


@pytest.fixture
def auth() -> FakeAuth:
    return FakeAuth.in_memory()


class TestFind(export_suite.Find):
    pass


class TestRequestExport(export_suite.RequestExport):
    pass


class TestUserRecords(export_suite.UserRecords):
    pass
