"""The limits on sign-in, sign-up and refresh with PostgreSQL."""

import pytest

from chassis.database import Database
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.auth.repository import SqlRepositories
from tests.integration.conftest import outbox
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.sign_in_suite import (
    BreachedPassword,
    DeviceTokens,
    NewDevice,
    RefreshThrottle,
    SignInThrottle,
    SignUpThrottle,
)


@pytest.fixture
def auth(database: Database) -> FakeAuth:
    return FakeAuth(SqlUnitOfWork(database, SqlRepositories.on), lambda: outbox(database))


class TestSignInThrottle(SignInThrottle):
    pass


class TestDeviceTokens(DeviceTokens):
    pass


class TestNewDevice(NewDevice):
    pass


class TestSignUpThrottle(SignUpThrottle):
    pass


class TestRefreshThrottle(RefreshThrottle):
    pass


class TestBreachedPassword(BreachedPassword):
    pass
