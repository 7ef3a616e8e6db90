"""Security events with fake repositories."""

import pytest

from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.security_event_suite import Changes, Pages, Refusals, Sessions


@pytest.fixture
def auth() -> FakeAuth:
    return FakeAuth.in_memory()


class TestSessions(Sessions):
    pass


class TestRefusals(Refusals):
    pass


class TestChanges(Changes):
    pass


class TestPages(Pages):
    pass
