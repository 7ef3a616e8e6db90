"""The behaviour suite on the fakes."""

import pytest

from tests.unit.notifier import account_suite, suite
from tests.unit.notifier.fakes import FakeNotifier


@pytest.fixture
def notifier() -> FakeNotifier:
    return FakeNotifier()


class TestSettings(suite.Settings):
    pass


class TestUnsubscribe(suite.Unsubscribe):
    pass


class TestSnapshot(suite.Snapshot):
    pass


class TestRepeatedRegistration(suite.RepeatedRegistration):
    pass


class TestForgetUser(suite.ForgetUser):
    pass


class TestReportRetweet(suite.ReportRetweet):
    pass


class TestUndoRetweet(suite.UndoRetweet):
    pass


class TestDigest(suite.Digest):
    pass


class TestSending(suite.Sending):
    pass


class TestDeadMails(suite.DeadMails):
    pass


class TestPurge(suite.Purge):
    pass


class TestAccountMails(account_suite.AccountMails):
    pass


class TestAuthAway(account_suite.AuthAway):
    pass


class TestVerifiedAddresses(account_suite.VerifiedAddresses):
    pass


class TestChangedAddresses(account_suite.ChangedAddresses):
    pass


class TestRefusedAddresses(account_suite.RefusedAddresses):
    pass


class TestAnyOrder(account_suite.AnyOrder):
    pass
