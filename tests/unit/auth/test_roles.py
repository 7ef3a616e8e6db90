"""Roles with fake repositories."""

import pytest

from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.role_suite import ChangeOfRoles, ScopesOfRoles


@pytest.fixture
def auth() -> FakeAuth:
    return FakeAuth.in_memory()


class TestScopesOfRoles(ScopesOfRoles):
    pass


class TestChangeOfRoles(ChangeOfRoles):
    pass
