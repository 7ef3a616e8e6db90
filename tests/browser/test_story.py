"""The initial tabs, from signing up to signing out."""

import pytest
from playwright.sync_api import expect

from client.mailbox import Mailbox, short_code_in
from tests.browser.conftest import Open
from tests.browser.explorer import PASSWORD, Explorer
from tests.stack import ON_ONE_ROUTER

NEW_PASSWORD = "correct horse battery"

pytestmark = [ON_ONE_ROUTER, pytest.mark.needs("tweets", "notifier")]


def account(name: str) -> dict[str, object]:
    return {"input": {"username": name, "email": f"{name}@example.com", "password": PASSWORD}}


class TestStory:
    def test_tabs_work_from_signing_up_to_signing_out(
        self, explorer: Explorer, mailbox: Mailbox, name: str
    ) -> None:
        explorer.run("SignUp", account(name))
        explorer.expect_signed_in(name)

        address = f"{name}@example.com"
        mail = mailbox.wait_for(address, lambda mail: bool(short_code_in(mail)))
        proven = explorer.run("VerifyEmail", {"code": short_code_in(mail)})["data"]["verifyEmail"]
        assert proven["user"] == {"email": address, "emailVerified": True}
        expect(explorer.bar).to_contain_text(f"{address}, confirmed")

        tweet = explorer.run("Tweet", {"text": "Hello 👋"})["data"]["createTweet"]
        assert tweet["author"]["username"] == name

        explorer.run("Retweet", {"tweetId": tweet["id"]})
        mine = explorer.run("MyTweets")["data"]
        assert mine["me"]["username"] == name
        assert mine["myTweets"]["edges"][1]["node"]["retweetCount"] == 1
        assert "Hello 👋" in explorer.read("response.json")

        settings = explorer.run("Settings", {"retweets": True})["data"]
        assert settings["updateEmailSettings"]["retweets"] is True

        passwords = {"current": PASSWORD, "new": NEW_PASSWORD}
        changed = explorer.run("ChangePassword", passwords)["data"]["changePassword"]
        assert changed == {"__typename": "PasswordChanged", "sessionIds": []}
        moved = {"newEmail": f"{name}@example.org", "password": NEW_PASSWORD}
        requested = explorer.run("ChangeEmail", moved)["data"]["changeEmail"]
        assert requested["email"] == f"{name}@example.org"

        entered = explorer.run("Reauthenticate", {"password": NEW_PASSWORD})["data"]
        assert entered["reauthenticate"]["__typename"] == "Reauthenticated"
        explorer.expect_signed_in(name)

        assert explorer.run("SignOut")["data"]["signOut"]["sessionIds"]
        explorer.expect_signed_out()
        expect(explorer.bar).to_contain_text("You have signed out.")

        login = {"input": {"login": name, "password": NEW_PASSWORD}}
        assert explorer.run("SignIn", login)["data"]["signIn"]["__typename"] == "SignedIn"
        explorer.expect_signed_in(name)

    @pytest.mark.asvs("6.2.6", "7.4.4")
    def test_form_in_the_bar_signs_up_in_and_out(self, explorer: Explorer, name: str) -> None:
        explorer.sign_up(name)
        assert explorer.run("MyTweets")["data"]["me"]["username"] == name
        explorer.bar.get_by_role("button", name="Sign out").click()
        explorer.expect_signed_out()

        explorer.bar.get_by_label("Username or e-mail").fill(name)
        expect(explorer.bar.get_by_label("Password")).to_have_attribute("type", "password")
        explorer.bar.get_by_label("Password").fill("wrong horse")
        explorer.bar.get_by_role("button", name="Sign in").click()
        expect(explorer.bar.get_by_role("alert")).to_have_text(
            "The login or the password is wrong."
        )

        explorer.bar.get_by_label("Password").fill(PASSWORD)
        explorer.bar.get_by_label("Password").press("Enter")
        explorer.expect_signed_in(name)

    def test_session_survives_a_reload_and_is_not_shared_with_a_new_window(
        self, explorer: Explorer, open_explorer: Open, name: str
    ) -> None:
        explorer.sign_up(name)
        explorer.page.reload()
        explorer.wait_until_ready().expect_signed_in(name)
        assert explorer.run("MyTweets")["data"]["me"]["username"] == name
        open_explorer().expect_signed_out()
        # A device token opens no session.
        kept = explorer.page.evaluate("Object.keys(localStorage).join() + document.cookie")
        assert kept == "chirp.devices"

    def test_token_is_renewed_before_it_expires(self, explorer: Explorer, name: str) -> None:
        explorer.page.clock.install()
        explorer.page.reload()
        explorer.wait_until_ready().sign_up(name)
        for _ in range(2):
            before = explorer.tokens
            with explorer.page.expect_response(
                lambda answer: "refreshSession" in (answer.request.post_data or "")
            ):
                explorer.page.clock.fast_forward("14:30")
            explorer.wait_until(
                "(old) => !sessionStorage.getItem('chirp.session').includes(old)",
                before["accessToken"],
            )
        assert explorer.run("MyTweets")["data"]["me"]["username"] == name


class TestKeyboard:
    def test_signing_up_and_running_an_operation_without_a_mouse(
        self, explorer: Explorer, name: str
    ) -> None:
        press = explorer.page.keyboard.press
        explorer.bar.get_by_role("link", name="Chirp").focus()
        for _ in range(4):  # username, password, Sign in, New here?
            press("Tab")
        press("Enter")
        explorer.bar.get_by_label("Username").focus()
        for text in (name, f"{name}@example.com", PASSWORD):
            explorer.page.keyboard.type(text)
            press("Tab")
        press("Enter")
        explorer.expect_signed_in(name)

        explorer.page.get_by_role("button", name="MyTweets").focus()
        press("Enter")
        explorer.page.get_by_label("Operation Editor").get_by_role("textbox").focus()
        press("Control+Enter")
        explorer.wait_until_read("response.json", name)
