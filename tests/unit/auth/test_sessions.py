"""The use cases of sessions with fake repositories."""

import pytest

from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.session_suite import (
    Reauthenticate,
    RecentSession,
    SessionLifetime,
    SignOut,
)


@pytest.fixture
def auth() -> FakeAuth:
    return FakeAuth.in_memory()


class TestEndOfSessions(SignOut):
    pass


class TestReauthenticate(Reauthenticate):
    pass


class TestRecentSession(RecentSession):
    pass


class TestSessionLifetime(SessionLifetime):
    pass
