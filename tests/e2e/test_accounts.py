"""Proof of an address, recovery and changes of an account, with mails and pages, as a user does."""

import re
import secrets
from collections.abc import Callable, Iterator

import httpx
import pytest

from client import api
from client.api import Account, run, send
from client.documents import RETWEET, SIGN_IN, TWEET_FEED
from client.subscription import subscribed
from tests.e2e.account_steps import (
    FORGOT,
    ME,
    RESET,
    RESTORE,
    VERIFY,
    address_of,
    confirm,
    links,
    newest_link,
    send_form,
    short_code,
)
from tests.e2e.test_mail import OPT_IN, Mailbox, mailbox, tweet  # noqa: F401  (a fixture)
from tests.stack import ON_ONE_ROUTER, RunningStack, eventually

pytestmark = [pytest.mark.needs("tweets", "notifier"), ON_ONE_ROUTER]

SignUp = Callable[[], Account]

CHANGE_PASSWORD = """mutation ($current: String!, $new: String!) {
    changePassword(currentPassword: $current, newPassword: $new) {
        __typename ... on PasswordChanged { sessionIds } } }"""
CHANGE_EMAIL = """mutation ($new: String!, $password: String!) {
    changeEmail(newEmail: $new, password: $password) {
        __typename ... on CodeRequested { email } } }"""
SETTINGS = "{ me { emailSettings { retweets } } }"


@pytest.fixture(autouse=True)
def no_code_in_the_log(stack: RunningStack, mailbox: Mailbox) -> Iterator[None]:  # noqa: F811
    """No code of a mail may be in a log line of any process after the test."""
    yield
    with httpx.Client(base_url=stack.mailbox_url, trust_env=False) as client:
        mails = [
            client.get(f"/email/{mail['id']}/source").text for mail in client.get("/email").json()
        ]
    # Lines of a mail are broken with `=`, and `=3D` stands for the equals sign.
    texts = [mail.replace("=\r\n", "").replace("=\n", "") for mail in mails]
    codes = {code for text in texts for code in re.findall(r"\?code=(?:3D)?([\w-]{40,})", text)}
    assert codes
    log = stack.log.read_text()
    assert not [code for code in codes if code in log]


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


@pytest.fixture
def proven(edge: httpx.Client, sign_up: SignUp, mailbox: Mailbox) -> SignUp:  # noqa: F811
    """Return a function that creates an account with a proven address."""

    def make() -> Account:
        account = sign_up()
        confirm(edge, mailbox, account)
        return account

    return make


class TestProof:
    def test_proven_address_gets_the_mails_of_the_account(
        self,
        edge: httpx.Client,
        sign_up: SignUp,
        mailbox: Mailbox,  # noqa: F811
    ) -> None:
        ada, grace = sign_up(), sign_up()
        address = address_of(ada)
        assert run(edge, ME, ada)["me"] == {"email": address, "emailVerified": False}
        link = newest_link(mailbox, address, VERIFY)
        assert httpx.get(link, trust_env=False).status_code == 200
        assert run(edge, ME, ada)["me"]["emailVerified"] is False  # opening it proves nothing

        done = send_form(link)
        assert done.status_code == 200
        assert address in done.text
        assert run(edge, ME, ada)["me"] == {"email": address, "emailVerified": True}

        run(edge, OPT_IN, ada, on=True)
        tweet_id = tweet(edge, ada)
        run(edge, RETWEET, grace, id=tweet_id)
        eventually(lambda: len(mailbox.to(address)) == 2, "the mail about the retweet has arrived")
        assert grace.username in mailbox.to(address)[1]["subject"]

        again = send_form(link)
        assert again.status_code == 400
        assert "This link does not work" in again.text

    def test_mail_about_a_retweet_waits_for_the_proof(
        self,
        edge: httpx.Client,
        sign_up: SignUp,
        proven: SignUp,
        mailbox: Mailbox,  # noqa: F811
    ) -> None:
        ada = api.sign_up(edge, emailSettings={"retweets": True})
        control, grace = proven(), sign_up()
        run(edge, OPT_IN, control, on=True)
        for author in (ada, control):
            run(edge, RETWEET, grace, id=tweet(edge, author))
        eventually(lambda: len(mailbox.of(control)) == 2, "a proven address has got its mail")
        assert len(mailbox.of(ada)) == 1  # the confirmation

        confirm(edge, mailbox, ada)
        eventually(lambda: len(mailbox.of(ada)) == 2, "the mail has been released")
        assert grace.username in mailbox.of(ada)[1]["subject"]


class TestForgottenPassword:
    def test_link_of_the_mail_leads_to_a_new_password(
        self,
        edge: httpx.Client,
        stack: RunningStack,
        proven: SignUp,
        mailbox: Mailbox,  # noqa: F811
    ) -> None:
        ada = proven()
        phone = api.sign_in(edge, ada.username, ada.password)
        address, password = address_of(ada), new_password()
        with subscribed(stack.url, TWEET_FEED, phone.token) as feed:
            tweet(edge, ada)
            assert feed.next()["tweetFeed"]["tweet"]

            asked = send_form(f"{stack.url}{FORGOT}", email=address.upper())
            assert asked.status_code == 200
            link = newest_link(mailbox, address, RESET)
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
        assert httpx.get(newest_link(mailbox, address, FORGOT), trust_env=False).status_code == 200

    def test_code_of_the_mail_can_be_typed_with_the_address(
        self,
        edge: httpx.Client,
        stack: RunningStack,
        proven: SignUp,
        mailbox: Mailbox,  # noqa: F811
    ) -> None:
        ada = proven()
        address, password = address_of(ada), new_password()
        send_form(f"{stack.url}{FORGOT}", email=address)
        code = short_code(mailbox, address, RESET)
        page = f"{stack.url}{RESET}"
        wrong = send_form(page, email=address, code="0000 0000", newPassword=password)
        assert wrong.status_code == 400
        assert "The code is wrong" in wrong.text
        done = send_form(page, email=address, code=code, newPassword=password)
        assert done.status_code == 200, done.text
        assert email_of(edge, api.sign_in(edge, ada.username, password)) == address

    def test_unknown_and_unproven_addresses_get_the_same_page_and_no_mail(
        self,
        stack: RunningStack,
        sign_up: SignUp,
        proven: SignUp,
        mailbox: Mailbox,  # noqa: F811
    ) -> None:
        known, unproven = address_of(proven()), address_of(sign_up())
        unknown = f"u{secrets.token_hex(6)}@example.com"
        newest_link(mailbox, unproven, VERIFY)
        pages = {
            address: send_form(f"{stack.url}{FORGOT}", email=address)
            for address in (unknown, unproven, known)
        }
        bodies = {answer.text.replace(address, "…") for address, answer in pages.items()}
        assert len(bodies) == 1
        assert {answer.status_code for answer in pages.values()} == {200}
        newest_link(mailbox, known, RESET)  # requested last
        assert mailbox.to(unknown) == []
        assert links(mailbox, unproven, RESET) == []


class TestChangedPassword:
    def test_other_sessions_end_and_a_notice_is_mailed(
        self,
        edge: httpx.Client,
        proven: SignUp,
        mailbox: Mailbox,  # noqa: F811
    ) -> None:
        ada = proven()
        phone = api.sign_in(edge, ada.username, ada.password)
        password = new_password()
        changed = run(edge, CHANGE_PASSWORD, ada, current=ada.password, new=password)
        assert changed["changePassword"]["__typename"] == "PasswordChanged"
        assert len(changed["changePassword"]["sessionIds"]) == 1
        assert_session_ended(edge, phone)
        assert email_of(edge, ada) == address_of(ada)
        assert_password_is_wrong(edge, ada.username, ada.password)
        api.sign_in(edge, ada.username, password)
        newest_link(mailbox, address_of(ada), FORGOT)


class TestChangedAddress:
    def test_new_address_is_proven_and_the_old_one_takes_the_account_back(
        self,
        edge: httpx.Client,
        stack: RunningStack,
        proven: SignUp,
        mailbox: Mailbox,  # noqa: F811
    ) -> None:
        ada = proven()
        old, new = address_of(ada), f"n{secrets.token_hex(6)}@example.com"
        asked = run(edge, CHANGE_EMAIL, ada, new=new, password=ada.password)
        assert asked["changeEmail"] == {"__typename": "CodeRequested", "email": new}
        link = newest_link(mailbox, new, VERIFY)
        assert email_of(edge, ada) == old
        done = send_form(link)
        assert done.status_code == 200
        assert new in done.text
        assert run(edge, ME, ada)["me"] == {"email": new, "emailVerified": True}

        notice = newest_link(mailbox, old, RESTORE)
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
        assert send_form(newest_link(mailbox, old, RESET), newPassword=password).status_code == 200
        again = api.sign_in(edge, old, password)
        assert run(edge, ME, again)["me"] == {"email": old, "emailVerified": True}
        assert_password_is_wrong(edge, new, password)
