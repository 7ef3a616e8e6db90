"""Verification, recovery and changes with PostgreSQL."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

import pytest

from chassis.database import Database
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.auth.errors import InvalidCode, InvalidCredentials
from subgraphs.auth.repository import SqlRepositories
from tests.integration.conftest import outbox
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.recovery_suite import (
    ADDRESS,
    NETWORK,
    NEW_ADDRESS,
    NEW_PASSWORD,
    ChangeEmail,
    ChangePassword,
    DeleteAccount,
    ResetPassword,
    RestoreEmail,
    VerifyEmail,
    mails,
    user_of,
    verified,
)
from tests.unit.auth.service_suite import PASSWORD, sign_in


@pytest.fixture
def auth(database: Database) -> FakeAuth:
    return FakeAuth(SqlUnitOfWork(database, SqlRepositories.on), lambda: outbox(database))


class TestVerifyEmail(VerifyEmail):
    pass


class TestResetPassword(ResetPassword):
    @pytest.mark.asvs("6.5.1")
    async def test_of_two_resets_with_one_code_one_succeeds(self, auth: FakeAuth) -> None:
        await verified(auth)
        await auth.recovery.request_password_reset(ADDRESS, NETWORK)
        (mail,) = await mails(auth)
        outcomes = await asyncio.gather(
            *(
                auth.recovery.reset_password(mail.code, f"{NEW_PASSWORD} {n}", None, NETWORK)
                for n in range(4)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, InvalidCode) for outcome in outcomes) == 3

    async def test_no_session_of_the_old_password_survives_a_reset(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        await auth.recovery.request_password_reset(ADDRESS, NETWORK)
        (mail,) = await mails(auth)

        async def try_old_password() -> None:
            with suppress(InvalidCredentials):
                await sign_in(auth.service)

        await asyncio.gather(
            auth.recovery.reset_password(mail.code, NEW_PASSWORD, None, NETWORK),
            *(try_old_password() for _ in range(8)),
        )
        assert await auth.service.sessions(ada.user.id) == []


class TestConcurrency:
    async def test_changes_of_one_account_at_once_leave_one_state(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        await auth.recovery.request_password_reset(ADDRESS, NETWORK)
        await auth.recovery.request_email_verification(ada.user.id, NETWORK)
        await auth.recovery.change_email(ada.user.id, NEW_ADDRESS, PASSWORD, NETWORK)
        codes = [mail.code for mail in await mails(auth)]
        expected = (InvalidCode, InvalidCredentials)

        async def tried(attempt: Awaitable[object]) -> None:
            with suppress(*expected):
                await attempt

        await asyncio.gather(
            mails(auth),
            *(tried(auth.recovery.verify_email(code, None, NETWORK)) for code in codes),
            *(
                tried(auth.recovery.reset_password(code, NEW_PASSWORD, None, NETWORK))
                for code in codes
            ),
            tried(
                auth.recovery.change_password(
                    ada.user.id, ada.session.id, PASSWORD, "a third password"
                )
            ),
        )
        user = await user_of(auth, ada)
        stated = [e.data["email"] for e in await auth.events() if e.type == "email-verified"]
        assert stated[-1] == user.email


class TestChangePassword(ChangePassword):
    pass


class TestChangeEmail(ChangeEmail):
    pass


class TestDeleteAccount(DeleteAccount):
    pass


class TestRestoreEmail(RestoreEmail):
    pass
