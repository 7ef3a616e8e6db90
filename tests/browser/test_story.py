"""The initial tabs, from signing up to signing out."""

import re

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
        verified = explorer.run("VerifyEmail", {"code": short_code_in(mail)})["data"]["verifyEmail"]
        assert verified["user"] == {"email": address, "emailVerified": True}
        expect(explorer.bar).to_contain_text(f"{address}, verified")

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
        # A device token opens no session, and the history holds no secret.
        kept = explorer.page.evaluate("Object.keys(localStorage).sort().join() + document.cookie")
        assert kept == "chirp.devices,graphiql:queries"

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


class TestTabs:
    def test_closed_tabs_are_restored(self, explorer: Explorer) -> None:
        tabs = explorer.page.get_by_role("list", name="Select active operation")
        titles = tabs.get_by_role("listitem").all_inner_texts()
        for title, shown_next in (("SignIn", "SignUp"), ("Tweet", "VerifyEmail")):
            explorer.choose(title)
            close = tabs.get_by_role("listitem").filter(has_text=title)
            close.get_by_role("button", name="Close").click()
            explorer.wait_until_read("operation.graphql", f" {shown_next}")
        expect(tabs.get_by_role("listitem")).to_have_count(len(titles) - 2)
        explorer.page.get_by_role("button", name="Restore 2 tabs").click()
        expect(tabs.get_by_role("listitem")).to_have_text([re.compile(t) for t in titles])
        explorer.wait_until_read("operation.graphql", "mutation SignIn")
        explorer.choose("Tweet")
        explorer.wait_until_read("variables.json", "Hello")
        expect(explorer.page.get_by_role("button", name="Restore")).to_have_count(0)

    def test_last_tweet_seen_in_any_window_is_offered_for_a_retweet(
        self, explorer: Explorer, name: str
    ) -> None:
        explorer.sign_up(f"a{name[:15]}")
        tweet = explorer.run("Tweet", {"text": "Hello"})["data"]["createTweet"]
        other = Explorer(explorer.page.context.new_page()).open()
        other.expect_signed_out()
        other.sign_up(f"g{name[:15]}")
        other.choose("Retweet")
        other.wait_until_read("variables.json", tweet["id"])
        # GraphiQL takes the text over some moments after it was written.
        other.wait_until("id => sessionStorage['graphiql:tabState'].includes(id)", tweet["id"])
        assert other.run("Retweet")["data"]["retweet"]["retweetCount"] == 1

    def test_new_tab_and_new_form_get_the_focus(self, explorer: Explorer) -> None:
        explorer.page.get_by_role("button", name="New tab").click()
        editor = explorer.page.get_by_label("Operation Editor").get_by_role("textbox")
        expect(editor).to_be_focused()
        explorer.bar.get_by_role("button", name="New here?").click()
        expect(explorer.bar.get_by_label("Username")).to_be_focused()


class TestKeyboard:
    @pytest.mark.parametrize("width", [380, 1280])
    def test_story_begins_with_the_keyboard_alone(
        self, open_explorer: Open, width: int, name: str
    ) -> None:
        """From the first press of Tab to the response, without a mouse and without `focus()`."""
        explorer = open_explorer(width=width)
        page = explorer.page
        press = page.keyboard.press
        press("Tab")
        expect(page.get_by_role("link", name="Skip to the editor")).to_be_focused()
        press("Enter")
        expect(page.get_by_label("Operation Editor").get_by_role("textbox")).to_be_focused()
        press("Control+a")
        page.keyboard.insert_text(
            f'mutation {{ signUp(input: {{username: "{name}", email: "{name}@example.com", '
            f'password: "{PASSWORD}"}}) {{ __typename ... on SignedIn {{ accessToken }} }} }}'
        )
        press("Control+Enter")
        explorer.wait_until_read("response.json", "SignedIn")
        explorer.expect_signed_in(name)

    def test_editor_is_left_with_the_keyboard(self, explorer: Explorer) -> None:
        page = explorer.page
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        editor = page.get_by_label("Operation Editor").get_by_role("textbox")
        expect(editor).to_be_focused()
        page.keyboard.press("Escape")
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Execute query")).to_be_focused()

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
