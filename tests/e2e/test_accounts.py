"""Verified addresses, recovery and changes of an account, with mails and pages, as a user does."""

import re
import secrets
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from urllib.parse import urlsplit

import httpx
import pytest

from client import api
from client.api import Account, run, send
from client.documents import CHANGE_PASSWORD, RETWEET, SIGN_IN, TWEET_FEED
from client.mailbox import Mailbox, code_in, link_in, short_code_in
from client.subscription import subscribed
from tests.e2e.forms import send_form
from tests.e2e.test_mail import OPT_IN, tweet
from tests.stack import RunningStack, eventually

pytestmark = pytest.mark.needs("tweets", "notifier")

SignUp = Callable[[], Account]

CHANGE_EMAIL = """mutation ($new: String!, $password: String!) {
    changeEmail(newEmail: $new, password: $password) {
        __typename ... on CodeRequested { email } } }"""
ME = "{ me { email emailVerified } }"
VERIFY, RESET = "/account/verify-email", "/account/reset-password"
RESTORE, FORGOT = "/account/restore-email", "/account/forgot-password"


class Mails:
    """The mails to the addresses of a test."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._addresses: set[str] = set()

    def to(self, address: str) -> list[EmailMessage]:
        self._addresses.add(address)
        return self._mailbox.of(address)

    def with_link(self, address: str, path: str) -> list[EmailMessage]:
        """Return the mails whose link leads to a page."""
        return [mail for mail in self.to(address) if urlsplit(link_in(mail)).path == path]

    def wait_for(self, address: str, path: str) -> EmailMessage:
        """Return the newest mail whose link leads to a page."""
        eventually(lambda: bool(self.with_link(address, path)), f"a mail leads to {path}")
        return self.with_link(address, path)[-1]

    def link(self, address: str, path: str) -> str:
        """Return the link of the newest mail that leads to a page."""
        return link_in(self.wait_for(address, path))

    def codes(self) -> set[str]:
        """Return the codes in all these mails."""
        mails = [mail for address in self._addresses for mail in self._mailbox.of(address)]
        return {code for mail in mails for code in (code_in(mail), short_code_in(mail)) if code}


@pytest.fixture(autouse=True)
def mails(mailbox: Mailbox, stack: RunningStack) -> Iterator[Mails]:
    """The mails of a test. No code of theirs may be in a line of any process after the test."""
    mails = Mails(mailbox)
    yield mails
    codes = mails.codes()
    assert codes
    log = stack.log.read_text()
    assert not [code for code in codes if re.search(rf"\b{code}\b", log)]


def new_password() -> str:
    return secrets.token_urlsafe(12)


def email_of(edge: httpx.Client, account: Account) -> str:
    return str(run(edge, ME, account)["me"]["email"])


def assert_session_ended(edge: httpx.Client, account: Account) -> None:
    answer = send(edge, ME, account)
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["reason"] == "SESSION_ENDED"


def assert_password_is_wrong(edge: httpx.Client, login: str, password: str) -> None:
    given = {"login": login, "password": password}
    assert run(edge, SIGN_IN, input=given)["signIn"]["__typename"] == "InvalidCredentialsError"


class TestVerification:
    def test_verified_address_gets_the_mails_of_the_account(
        self,
        edge: httpx.Client,
        sign_up: SignUp,
        mails: Mails,
    ) -> None:
        ada, grace = sign_up(), sign_up()
        address = ada.email
        assert run(edge, ME, ada)["me"] == {"email": address, "emailVerified": False}
        link = mails.link(address, VERIFY)
        assert httpx.get(link, trust_env=False).status_code == 200
        assert run(edge, ME, ada)["me"]["emailVerified"] is False  # opening it verifies nothing

        done = send_form(link)
        assert done.status_code == 200
        assert address in done.text
        assert run(edge, ME, ada)["me"] == {"email": address, "emailVerified": True}

        run(edge, OPT_IN, ada, on=True)
        tweet_id = tweet(edge, ada)
        run(edge, RETWEET, grace, id=tweet_id)
        eventually(lambda: len(mails.to(address)) == 2, "the mail about the retweet has arrived")
        assert grace.username in mails.to(address)[1]["subject"]

        again = send_form(link)
        assert again.status_code == 400
        assert "This link does not work" in again.text

    def test_mail_about_a_retweet_waits_for_the_verification(
        self,
        edge: httpx.Client,
        sign_up: SignUp,
        sign_up_verified: SignUp,
        mails: Mails,
    ) -> None:
        ada = api.sign_up(edge, emailSettings={"retweets": True})
        control, grace = sign_up_verified(), sign_up()
        run(edge, OPT_IN, control, on=True)
        for author in (ada, control):
            run(edge, RETWEET, grace, id=tweet(edge, author))
        eventually(lambda: len(mails.to(control.email)) == 2, "a verified address has got its mail")
        assert len(mails.to(ada.email)) == 1  # the verification mail

        send_form(mails.link(ada.email, VERIFY))
        eventually(lambda: len(mails.to(ada.email)) == 2, "the mail has been released")
        assert grace.username in mails.to(ada.email)[1]["subject"]


class TestForgottenPassword:
    def test_link_of_the_mail_leads_to_a_new_password(
        self,
        edge: httpx.Client,
        stack: RunningStack,
        sign_up_verified: SignUp,
        mails: Mails,
    ) -> None:
        ada = sign_up_verified()
        phone = api.sign_in(edge, ada.username, ada.password)
        address, password = ada.email, new_password()
        with subscribed(stack.url, TWEET_FEED, phone.token) as feed:
            tweet(edge, ada)
            assert feed.next()["tweetFeed"]["tweet"]

            asked = send_form(f"{stack.url}{FORGOT}", email=address.upper())
            assert asked.status_code == 200
            link = mails.link(address, RESET)
            refused = send_form(link, newPassword=ada.username)
            assert refused.status_code == 400
            assert "Password must" in refused.text
            done = send_form(link, newPassword=password)
            assert done.status_code == 200
            assert "Your password is changed" in done.text
            for session in (ada, phone):
                assert_session_ended(edge, session)
            feed.expect_end()

        assert_password_is_wrong(edge, ada.username, ada.password)
        assert email_of(edge, api.sign_in(edge, address, password)) == address
        assert send_form(link, newPassword=new_password()).status_code == 400
        # The notice of the change leads to the page for another mail.
        assert httpx.get(mails.link(address, FORGOT), trust_env=False).status_code == 200

    def test_code_of_the_mail_can_be_typed_with_the_address(
        self,
        edge: httpx.Client,
        stack: RunningStack,
        sign_up_verified: SignUp,
        mails: Mails,
    ) -> None:
        ada = sign_up_verified()
        address, password = ada.email, new_password()
        send_form(f"{stack.url}{FORGOT}", email=address)
        code = short_code_in(mails.wait_for(address, RESET))
        page = f"{stack.url}{RESET}"
        wrong = send_form(page, email=address, code="0000 0000", newPassword=password)
        assert wrong.status_code == 400
        assert "The code is wrong" in wrong.text
        done = send_form(page, email=address, code=code, newPassword=password)
        assert done.status_code == 200, done.text
        assert email_of(edge, api.sign_in(edge, ada.username, password)) == address

    def test_unknown_and_unverified_addresses_get_the_same_page_and_no_mail(
        self,
        stack: RunningStack,
        sign_up: SignUp,
        sign_up_verified: SignUp,
        mails: Mails,
    ) -> None:
        known, unverified = sign_up_verified().email, sign_up().email
        unknown = f"u{secrets.token_hex(6)}@example.com"
        mails.link(unverified, VERIFY)
        pages = {
            address: send_form(f"{stack.url}{FORGOT}", email=address)
            for address in (unknown, unverified, known)
        }
        bodies = {answer.text.replace(address, "…") for address, answer in pages.items()}
        assert len(bodies) == 1
        assert {answer.status_code for answer in pages.values()} == {200}
        mails.link(known, RESET)  # requested last
        assert mails.to(unknown) == []
        assert mails.with_link(unverified, RESET) == []


class TestChangedPassword:
    def test_other_sessions_end_and_a_notice_is_mailed(
        self,
        edge: httpx.Client,
        sign_up_verified: SignUp,
        mails: Mails,
    ) -> None:
        ada = sign_up_verified()
        phone = api.sign_in(edge, ada.username, ada.password)
        password = new_password()
        changed = run(edge, CHANGE_PASSWORD, ada, current=ada.password, new=password)
        assert changed["changePassword"]["__typename"] == "PasswordChanged"
        assert len(changed["changePassword"]["sessionIds"]) == 1
        assert_session_ended(edge, phone)
        assert email_of(edge, ada) == ada.email
        assert_password_is_wrong(edge, ada.username, ada.password)
        api.sign_in(edge, ada.username, password)
        mails.link(ada.email, FORGOT)


class TestChangedAddress:
    def test_new_address_is_verified_and_the_old_one_takes_the_account_back(
        self,
        edge: httpx.Client,
        stack: RunningStack,
        sign_up_verified: SignUp,
        mails: Mails,
    ) -> None:
        ada = sign_up_verified()
        old, new = ada.email, f"n{secrets.token_hex(6)}@example.com"
        asked = run(edge, CHANGE_EMAIL, ada, new=new, password=ada.password)
        assert asked["changeEmail"] == {"__typename": "CodeRequested", "email": new}
        link = mails.link(new, VERIFY)
        assert email_of(edge, ada) == old
        done = send_form(link)
        assert done.status_code == 200
        assert new in done.text
        assert run(edge, ME, ada)["me"] == {"email": new, "emailVerified": True}

        notice = mails.link(old, RESTORE)
        assert httpx.get(notice, trust_env=False).status_code == 200
        assert email_of(edge, ada) == new  # opening it restores nothing
        with subscribed(stack.url, TWEET_FEED, ada.token) as feed:
            restored = send_form(notice)
            assert restored.status_code == 200, restored.text
            assert_session_ended(edge, ada)
            feed.expect_end()
        assert send_form(notice).status_code == 400
        assert_password_is_wrong(edge, ada.username, ada.password)

        password = new_password()
        assert send_form(mails.link(old, RESET), newPassword=password).status_code == 200
        again = api.sign_in(edge, old, password)
        assert run(edge, ME, again)["me"] == {"email": old, "emailVerified": True}
        assert_password_is_wrong(edge, new, password)
