"""The dialog with the account: address, password, sessions, mails, security events."""

import pytest
from playwright.sync_api import Locator, Route, expect

from client.mailbox import Mailbox, short_code_in
from tests.browser.accessibility import problems
from tests.browser.conftest import Open
from tests.browser.explorer import PASSWORD, Explorer
from tests.stack import ON_ONE_ROUTER

pytestmark = [ON_ONE_ROUTER, pytest.mark.needs("notifier")]

NEW_PASSWORD = "correct horse battery"


def open_panel(explorer: Explorer) -> Locator:
    explorer.open_drawer()
    explorer.bar.get_by_role("button", name="Account", exact=True).click()
    return panel(explorer)


def panel(explorer: Explorer) -> Locator:
    return explorer.page.get_by_role("dialog")


def section(explorer: Explorer, name: str) -> Locator:
    return panel(explorer).get_by_role("region", name=name)


def sign_in_elsewhere(explorer: Explorer, name: str) -> None:
    """Open another session of the user, outside of the page."""
    query = "mutation($input: SignInInput!) { signIn(input: $input) { __typename } }"
    variables = {"input": {"login": name, "password": PASSWORD}}
    answer = explorer.page.request.post("/graphql", data={"query": query, "variables": variables})
    assert answer.json()["data"]["signIn"]["__typename"] == "SignedIn"


class TestSessions:
    def test_one_session_is_ended_then_all_others(self, explorer: Explorer, name: str) -> None:
        explorer.sign_up(name)
        for _ in range(3):
            sign_in_elsewhere(explorer, name)
        open_panel(explorer)
        sessions = section(explorer, "Sessions")
        expect(sessions.get_by_role("listitem")).to_have_count(4)
        this = sessions.get_by_role("listitem").filter(has_text="this device")
        expect(this).to_have_count(1)
        expect(this.get_by_role("button")).to_have_count(0)

        sessions.get_by_role("button", name="End the session").first.click()
        expect(sessions.get_by_role("status")).to_have_text("The session has ended.")
        expect(sessions.get_by_role("listitem")).to_have_count(3)
        expect(sessions.get_by_role("heading")).to_be_focused()
        expect(section(explorer, "Security events")).to_contain_text("ended from another one")

        sessions.get_by_role("button", name="Sign out everywhere else").click()
        expect(sessions.get_by_role("status")).to_have_text("2 sessions have ended.")
        expect(sessions.get_by_role("listitem")).to_have_count(1)
        expect(sessions.get_by_role("button", name="Sign out everywhere else")).to_have_count(0)
        explorer.page.keyboard.press("Escape")
        explorer.expect_signed_in(name)
        assert explorer.run("MyTweets")["data"]["me"]["username"] == name

    def test_password_is_asked_for_when_the_api_wants_it_again(
        self, explorer: Explorer, name: str
    ) -> None:
        explorer.sign_up(name)
        sign_in_elsewhere(explorer, name)
        late = {
            "data": {"end0": {"__typename": "ReauthenticationRequiredError", "message": "Again."}}
        }

        refused: list[str] = []

        def refuse_once(route: Route) -> None:
            query = route.request.post_data or ""
            if "EndSessions" in query and not refused:
                refused.append(query)
                route.fulfill(json=late)
            else:
                route.continue_()

        explorer.page.route("**/graphql", refuse_once)
        open_panel(explorer)
        sessions = section(explorer, "Sessions")
        sessions.get_by_role("button", name="Sign out everywhere else").click()
        form = sessions.get_by_role("form", name="Enter your password again")
        expect(form.get_by_label("Password")).to_be_focused()
        form.get_by_label("Password").fill("wrong horse")
        form.get_by_label("Password").press("Enter")
        expect(form.get_by_role("alert")).to_contain_text("wrong")
        assert problems(explorer.page) == []
        before = explorer.tokens["accessToken"]
        form.get_by_label("Password").fill(PASSWORD)
        form.get_by_label("Password").press("Enter")
        expect(sessions.get_by_role("status")).to_have_text("The session has ended.")
        expect(sessions.get_by_role("listitem")).to_have_count(1)
        assert explorer.tokens["accessToken"] != before
        explorer.page.unroute_all()

    def test_panel_closes_when_the_session_ends(self, explorer: Explorer, name: str) -> None:
        explorer.sign_up(name)
        open_panel(explorer)
        explorer.page.evaluate(
            """new BroadcastChannel("chirp.session").postMessage({
                ended: JSON.parse(sessionStorage.getItem("chirp.session")).refreshToken,
                why: "You have signed out.",
            })"""
        )
        expect(panel(explorer)).to_have_count(0)
        explorer.expect_signed_out()


class TestAddress:
    def test_address_is_verified_with_the_code(
        self, explorer: Explorer, mailbox: Mailbox, name: str
    ) -> None:
        explorer.sign_up(name)
        open_panel(explorer)
        address = section(explorer, "Address")
        expect(address).to_contain_text(f"{name}@example.com is not verified")
        mail = mailbox.wait_for(f"{name}@example.com", lambda mail: bool(short_code_in(mail)))
        address.get_by_label("Code from the mail").fill(short_code_in(mail))
        address.get_by_role("button", name="Verify", exact=True).click()
        expect(address).to_contain_text(f"{name}@example.com is verified.")


class TestMails:
    def test_setting_is_changed_and_kept(self, explorer: Explorer, name: str) -> None:
        explorer.sign_up(name)
        open_panel(explorer)
        choice = section(explorer, "Mails").get_by_role("checkbox")
        expect(choice).not_to_be_checked()
        choice.click()
        expect(choice).to_be_checked()
        explorer.page.reload()
        explorer.wait_until_ready()
        open_panel(explorer)
        expect(section(explorer, "Mails").get_by_role("checkbox")).to_be_checked()


class TestPassword:
    def test_password_is_changed_and_other_sessions_end(
        self, explorer: Explorer, name: str
    ) -> None:
        explorer.sign_up(name)
        sign_in_elsewhere(explorer, name)
        open_panel(explorer)
        password = section(explorer, "Password")
        password.get_by_text("Change the password").first.click()
        password.get_by_label("Password so far").fill(PASSWORD)
        password.get_by_label("New password").fill("short")
        password.get_by_role("button", name="Change the password").click()
        expect(password.get_by_role("alert")).to_contain_text("8")
        password.get_by_label("New password").fill(NEW_PASSWORD)
        password.get_by_role("button", name="Change the password").click()
        expect(password.get_by_role("status")).to_have_text(
            "Your password is changed. Your other session has ended."
        )
        expect(section(explorer, "Sessions").get_by_role("listitem")).to_have_count(1)

    def test_leaked_password_is_reported_at_sign_in_until_it_is_changed(
        self, explorer: Explorer, name: str
    ) -> None:
        def leaked(route: Route) -> None:
            body = (answer := route.fetch()).json()
            if "passwordBreached" in body["data"].get("signIn", {}):
                body["data"]["signIn"]["passwordBreached"] = True
            route.fulfill(response=answer, json=body)

        explorer.sign_up(name)
        expect(explorer.page.get_by_text("leaked passwords")).to_have_count(0)
        explorer.bar.get_by_role("button", name="Sign out").click()
        explorer.expect_signed_out()
        explorer.page.route("**/graphql", leaked)
        explorer.bar.get_by_label("Username or e-mail").fill(name)
        explorer.bar.get_by_label("Password").fill(PASSWORD)
        explorer.bar.get_by_label("Password").press("Enter")
        warning = explorer.page.get_by_role("alert").filter(has_text="leaked passwords")
        expect(warning).to_be_visible()
        assert problems(explorer.page) == []
        warning.get_by_role("button", name="Change it").click()
        password = section(explorer, "Password")
        expect(password).to_contain_text("Your password is in a list of leaked passwords.")
        password.get_by_label("Password so far").fill(PASSWORD)
        password.get_by_label("New password").fill(NEW_PASSWORD)
        password.get_by_label("New password").press("Enter")
        expect(password.get_by_role("status")).to_contain_text("Your password is changed.")
        explorer.page.keyboard.press("Escape")
        expect(warning).to_have_count(0)
        explorer.page.unroute_all()


class TestSecurityEvents:
    def test_events_are_listed_and_older_ones_on_request(
        self, explorer: Explorer, name: str
    ) -> None:
        explorer.sign_up(name)
        for _ in range(10):
            sign_in_elsewhere(explorer, name)
        open_panel(explorer)
        events = section(explorer, "Security events")
        expect(events.get_by_role("listitem")).to_have_count(10)
        events.get_by_role("button", name="Show older ones").click()
        expect(events.get_by_role("listitem")).to_have_count(11)
        expect(events.get_by_role("listitem").last).to_contain_text("The account was created.")
        expect(events.get_by_role("listitem").last).to_contain_text("127.0.0.1")
        expect(events.get_by_role("button")).to_have_count(0)


class TestAccessibility:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [380, 1280])
    def test_axe_finds_no_problem_and_nothing_is_cut_off(
        self, open_explorer: Open, width: int, scheme: str, name: str
    ) -> None:
        explorer = open_explorer(scheme)
        explorer.sign_up(name)
        sign_in_elsewhere(explorer, name)
        explorer.page.set_viewport_size({"width": width, "height": 800})
        open_panel(explorer)
        expect(section(explorer, "Sessions").get_by_role("listitem")).to_have_count(2)
        expect(section(explorer, "Mails").get_by_role("checkbox")).to_be_visible()
        expect(section(explorer, "Security events")).to_contain_text("The account was created.")
        section(explorer, "Password").get_by_text("Change the password").first.click()
        assert problems(explorer.page) == []
        content = panel(explorer).locator(".content")
        assert content.evaluate("e => e.scrollWidth - e.clientWidth") == 0

    def test_panel_is_used_without_a_mouse_and_returns_the_focus(
        self, explorer: Explorer, name: str
    ) -> None:
        explorer.sign_up(name)
        press = explorer.page.keyboard.press
        button = explorer.bar.get_by_role("button", name="Account", exact=True)
        button.focus()
        press("Enter")
        expect(panel(explorer).get_by_role("button", name="Close")).to_be_focused()
        choice = section(explorer, "Mails").get_by_role("checkbox")
        expect(choice).to_be_visible()
        for _ in range(20):
            press("Tab")
            if choice.evaluate("e => e === document.activeElement"):
                break
        press("Space")
        expect(choice).to_be_checked()
        press("Escape")
        expect(panel(explorer)).to_have_count(0)
        expect(button).to_be_focused()
