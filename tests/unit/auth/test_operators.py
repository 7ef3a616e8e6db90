"""What operators do, with fake repositories."""

import pytest

from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.operator_suite import Acts, Delete, Disable, RequireReset, Show


@pytest.fixture
def auth() -> FakeAuth:
    return FakeAuth.in_memory()


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
