"""The use cases of sessions with PostgreSQL."""

import pytest

from chassis.database import Database
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.auth.repository import SqlRepositories
from tests.integration.conftest import outbox
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.session_suite import (
    Reauthenticate,
    RecentSession,
    SessionLifetime,
    SignOut,
)


@pytest.fixture
def auth(database: Database) -> FakeAuth:
    return FakeAuth(SqlUnitOfWork(database, SqlRepositories.on), lambda: outbox(database))


class TestEndOfSessions(SignOut):
    pass


class TestReauthenticate(Reauthenticate):
    pass


class TestRecentSession(RecentSession):
    pass


class TestSessionLifetime(SessionLifetime):
    pass
