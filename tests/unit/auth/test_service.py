"""The use cases with fake repositories."""

import pytest

from subgraphs.auth.errors import InvalidCredentials
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.service_suite import (
    PASSWORD,
    DeleteAccount,
    RefreshSession,
    ScopesOverTime,
    SignIn,
    SignUp,
    Snapshot,
    sign_in,
    sign_up,
)


@pytest.fixture
def auth() -> FakeAuth:
    return FakeAuth.in_memory()


class TestSignUp(SignUp):
    pass


class TestSnapshot(Snapshot):
    pass


class TestSignIn(SignIn):
    async def test_unknown_login_takes_a_password_verification_too(self, auth: FakeAuth) -> None:
        with pytest.raises(InvalidCredentials):
            await sign_in(auth.service, "grace")
        assert auth.passwords.verified == [None]

    async def test_hash_of_older_parameters_is_renewed(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        auth.passwords.parameters = "stronger"
        user = (await sign_in(auth.service)).user
        stored = await auth.service.users([user.id])
        assert stored[user.id].password_hash == f"stronger:{PASSWORD}"

    async def test_hash_of_current_parameters_is_kept(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        await sign_in(auth.service)
        assert auth.passwords.hashed == [PASSWORD]


class TestRefreshSession(RefreshSession):
    pass


class TestScopesOverTime(ScopesOverTime):
    pass


class TestDeleteAccount(DeleteAccount):
    pass
