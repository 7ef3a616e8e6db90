"""The same use cases on PostgreSQL."""

import asyncio

import pytest

from chassis.database import Database
from subgraphs.auth.domain import SignedIn
from subgraphs.auth.errors import InvalidCredentials
from subgraphs.auth.repository import SqlUnitOfWork
from tests.integration.conftest import outbox
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.service_suite import (
    PASSWORD,
    DeleteAccount,
    RefreshSession,
    SignIn,
    SignOut,
    SignUp,
    sign_in,
    sign_up,
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
    async def test_who_signs_in_at_the_same_moment_is_signed_out(self, auth: FakeAuth) -> None:
        user = (await sign_up(auth.service)).user
        results = await asyncio.gather(
            *(sign_in(auth.service) for _ in range(5)),
            auth.service.delete_account(user.id, PASSWORD),
            *(sign_in(auth.service) for _ in range(5)),
            return_exceptions=True,
        )
        opened = {r.session.id for r in results if isinstance(r, SignedIn)}
        assert opened <= set(auth.revocations.announced)
        assert {type(r) for r in results} <= {SignedIn, InvalidCredentials, type(None)}
