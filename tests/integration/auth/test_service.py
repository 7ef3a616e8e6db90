"""The same use cases on PostgreSQL."""

import pytest

from chassis.database import Database
from subgraphs.auth.repository import SqlUnitOfWork
from tests.integration.conftest import outbox
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.service_suite import (
    DeleteAccount,
    RefreshSession,
    SignIn,
    SignOut,
    SignUp,
)


@pytest.fixture
def auth(database: Database) -> FakeAuth:
    return FakeAuth(SqlUnitOfWork(database, lambda: None), lambda: outbox(database))


class TestSignUp(SignUp):
    pass


class TestSignIn(SignIn):
    pass


class TestRefreshSession(RefreshSession):
    pass


class TestSignOut(SignOut):
    pass


class TestDeleteAccount(DeleteAccount):
    pass
