"""The verification of the address, and the ways back to an account, in the bar."""

import pytest
from playwright.sync_api import expect

from client.mailbox import Mailbox, link_in, short_code_in
from tests.browser.accessibility import problems
from tests.browser.conftest import Open
from tests.browser.explorer import Explorer
from tests.stack import ON_ONE_ROUTER

pytestmark = [ON_ONE_ROUTER, pytest.mark.needs("notifier")]


def code_for(mailbox: Mailbox, name: str) -> str:
    """Return the short code of the newest mail to a user of the explorer."""
    mail = mailbox.wait_for(f"{name}@example.com", lambda mail: bool(short_code_in(mail)))
    return short_code_in(mail)


class TestVerification:
    def test_code_from_the_mail_verifies_the_address(
        self, explorer: Explorer, mailbox: Mailbox, name: str
    ) -> None:
        explorer.sign_up(name)
        expect(explorer.verification).to_contain_text(f"{name}@example.com is not verified")
        code = code_for(mailbox, name)
        explorer.verification.get_by_label("Code from the mail").fill(f"{code[:4]} {code[4:]}")
        explorer.verification.get_by_role("button", name="Verify", exact=True).click()
        expect(explorer.bar).to_contain_text(f"{name}@example.com, verified")
        expect(explorer.verification).to_have_count(0)
        explorer.page.reload()
        expect(explorer.bar).to_contain_text(f"{name}@example.com, verified")

    def test_wrong_code_is_refused_in_words(self, explorer: Explorer, name: str) -> None:
        explorer.sign_up(name)
        explorer.verification.get_by_label("Code from the mail").fill("0000 0000")
        explorer.verification.get_by_role("button", name="Verify", exact=True).click()
        expect(explorer.verification.get_by_role("alert")).to_contain_text("code")
        expect(explorer.verification.get_by_label("Code from the mail")).to_be_focused()

    def test_mail_is_sent_again(self, explorer: Explorer, mailbox: Mailbox, name: str) -> None:
        explorer.sign_up(name)
        first = code_for(mailbox, name)
        explorer.verification.get_by_role("button", name="Send the mail again").click()
        expect(explorer.verification.get_by_role("status")).to_have_text(
            "A mail with another code is on its way."
        )
        mailbox.wait_for(f"{name}@example.com", lambda mail: short_code_in(mail) not in {"", first})

    def test_link_in_the_mail_is_noticed_on_return(
        self, explorer: Explorer, mailbox: Mailbox, name: str
    ) -> None:
        explorer.sign_up(name)
        expect(explorer.verification).to_be_visible()
        mail = mailbox.wait_for(f"{name}@example.com", lambda mail: bool(short_code_in(mail)))
        other = explorer.page.context.new_page()
        other.goto(link_in(mail))
        other.get_by_role("button", name="Verify").click()
        expect(other.get_by_role("heading", name="Your address is verified")).to_be_visible()
        other.close()
        explorer.page.evaluate("dispatchEvent(new Event('focus'))")
        expect(explorer.bar).to_contain_text(f"{name}@example.com, verified")

    def test_refusal_by_the_mail_server_is_shown(self, explorer: Explorer, name: str) -> None:
        def refused(route: object) -> None:
            me = {
                "email": f"{name}@example.com",
                "emailVerified": True,
                "emailSettings": {"undeliverableSince": "2026-11-28T12:00:00Z"},
            }
            route.fulfill(json={"data": {"me": me}})  # type: ignore[attr-defined]

        explorer.sign_up(name)
        explorer.page.route("**/graphql", refused)
        explorer.page.reload()
        expect(explorer.verification).to_contain_text(
            f"The mail server refused {name}@example.com on Nov 28, 2026."
        )
        explorer.page.unroute_all()

    def test_verifying_without_a_mouse(
        self, explorer: Explorer, mailbox: Mailbox, name: str
    ) -> None:
        explorer.sign_up(name)
        code = code_for(mailbox, name)
        explorer.bar.get_by_role("button", name="Sign out").focus()
        explorer.page.keyboard.press("Tab")
        explorer.page.keyboard.type(code)
        explorer.page.keyboard.press("Enter")
        expect(explorer.bar).to_contain_text(f"{name}@example.com, verified")


class TestForgotPassword:
    def test_sign_in_form_links_to_the_page(self, explorer: Explorer) -> None:
        explorer.bar.get_by_role("link", name="Forgot password?").click()
        expect(explorer.page).to_have_url("/account/forgot-password")
        expect(explorer.page.get_by_label("E-mail")).to_be_visible()


class TestAccessibility:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_axe_finds_no_problem_in_the_form(
        self, open_explorer: Open, scheme: str, name: str
    ) -> None:
        explorer = open_explorer(scheme)
        explorer.sign_up(name)
        explorer.verification.get_by_label("Code from the mail").fill("0000 0000")
        explorer.verification.get_by_role("button", name="Verify", exact=True).click()
        expect(explorer.verification.get_by_role("alert")).to_contain_text("code")
        assert problems(explorer.page) == []
