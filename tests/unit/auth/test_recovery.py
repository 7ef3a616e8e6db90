"""Verification, recovery and changes with fake repositories."""

import pytest

from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.recovery_suite import (
    ChangeEmail,
    ChangePassword,
    DeleteAccount,
    ResetPassword,
    RestoreEmail,
    VerifyEmail,
)


@pytest.fixture
def auth() -> FakeAuth:
    return FakeAuth.in_memory()


class TestVerifyEmail(VerifyEmail):
    pass


class TestResetPassword(ResetPassword):
    pass


class TestChangePassword(ChangePassword):
    pass


class TestChangeEmail(ChangeEmail):
    pass


class TestDeleteAccount(DeleteAccount):
    pass


class TestRestoreEmail(RestoreEmail):
    pass
