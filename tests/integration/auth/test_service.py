"""The use cases with PostgreSQL."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from chassis.database import Database
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.auth.ports import Repositories
from subgraphs.auth.repository import SqlRepositories
from tests.integration.conftest import outbox, somebody_waits, until
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.service_suite import (
    PASSWORD,
    DeleteAccount,
    RefreshSession,
    ScopesOverTime,
    SignIn,
    SignUp,
    Snapshot,
    sign_up,
)


@pytest.fixture
def auth(database: Database) -> FakeAuth:
    return FakeAuth(SqlUnitOfWork(database, SqlRepositories.on), lambda: outbox(database))


class TestSignUp(SignUp):
    pass


class TestSnapshot(Snapshot):
    pass


class TestSignIn(SignIn):
    pass


class TestRefreshSession(RefreshSession):
    pass


class TestScopesOverTime(ScopesOverTime):
    pass


class TestDeleteAccount(DeleteAccount):
    async def test_session_opened_during_the_deletion_ends_too(
        self, auth: FakeAuth, database: Database
    ) -> None:
        first = await sign_up(auth.service)
        session = replace(first.session, id=uuid4())
        opened, commit = asyncio.Event(), asyncio.Event()

        async def sign_in(repositories: Repositories) -> None:
            await repositories.sessions.open(session, first.user, b"token")
            opened.set()
            await commit.wait()

        signing_in = asyncio.ensure_future(auth.unit_of_work.transaction(sign_in))
        await opened.wait()
        deleting = asyncio.ensure_future(auth.service.delete_account(first.user.id, PASSWORD))
        await until(lambda: somebody_waits(database))
        commit.set()
        await asyncio.gather(signing_in, deleting)
        assert set(auth.revocations.announced) == {first.session.id, session.id}
