"""Roles with PostgreSQL."""

import asyncio

import pytest

from chassis.database import Database
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.auth.ports import Repositories
from subgraphs.auth.repository import SqlRepositories
from tests.integration.conftest import outbox, somebody_waits, until
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.role_suite import ChangeOfRoles, ScopesOfRoles, assign, moderator


@pytest.fixture
def auth(database: Database) -> FakeAuth:
    return FakeAuth(SqlUnitOfWork(database, SqlRepositories.on), lambda: outbox(database))


class TestScopesOfRoles(ScopesOfRoles):
    pass


class TestChangeOfRoles(ChangeOfRoles):
    async def test_session_that_is_being_refreshed_ends_too(
        self, auth: FakeAuth, database: Database
    ) -> None:
        ada = await moderator(auth)
        token_hash = auth.service.refresh_tokens.hash(ada.refresh_token)
        locked, commit = asyncio.Event(), asyncio.Event()

        async def refresh(repositories: Repositories) -> None:
            await repositories.sessions.lock_by_refresh_token(token_hash)
            locked.set()
            await commit.wait()

        refreshing = asyncio.ensure_future(auth.unit_of_work.transaction(refresh))
        await locked.wait()
        changing = asyncio.ensure_future(assign(auth, ada.user.id, "user"))
        await until(lambda: somebody_waits(database))
        commit.set()
        await asyncio.gather(refreshing, changing)
        assert auth.revocations.announced[-1] == ada.session.id
