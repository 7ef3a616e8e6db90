"""The limits on sign-in, sign-up and refresh with fake repositories."""

import pytest

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
def auth() -> FakeAuth:
    return FakeAuth.in_memory()


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
