"""Drives the explorer as a user does."""

import json
from typing import Any

from playwright.sync_api import Locator, Page, expect

PASSWORD = "correct horse"


class Explorer:
    """One browser window with the explorer."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.bar = page.get_by_role("banner")
        self.notice = page.locator(".notice")
        self.feed = page.get_by_role("region", name="Live feed")
        self.health = page.locator(".health")

    def open(self) -> "Explorer":
        self.page.goto("/")
        return self.wait_until_ready()

    def wait_until_ready(self) -> "Explorer":
        """Wait until the editor is loaded and has the schema."""
        expect(self.page.get_by_role("button", name="Execute query")).to_be_enabled()
        self.wait_until("() => globalThis.__MONACO?.editor.getModels().length >= 4")
        expect(self.page.get_by_role("button", name="Re-fetch GraphQL schema")).to_be_enabled()
        return self

    @property
    def events(self) -> Locator:
        return self.feed.get_by_role("listitem")

    def choose(self, tab: str) -> None:
        tabs = self.page.get_by_role("list", name="Select active operation")
        button = tabs.get_by_role("button", name=tab, exact=True)
        button.click()
        # A click is lost while the tabs still move after one of them was closed.
        shown = f"([model, text]) => {_MODEL}.getValue().includes(text)"
        if not self._comes_true(shown, ["operation.graphql", f" {tab}"], 60):
            button.click()
        self.wait_until_read("operation.graphql", f" {tab}")

    def run(self, tab: str, variables: object = None) -> dict[str, Any]:
        """Run a tab, with `variables` in place of its own, and return the response."""
        self.choose(tab)
        if variables is not None:
            self.write("variables.json", json.dumps(variables))
        with self.page.expect_response(lambda answer: answer.url.endswith("/graphql")) as answered:
            self.page.get_by_role("button", name="Execute query").click()
        body: dict[str, Any] = answered.value.json()
        expect(self.page.get_by_role("button", name="Execute query")).to_be_visible()
        return body

    def watch_feed(self) -> None:
        self.choose("WatchMyFeed")
        self.page.get_by_role("button", name="Execute query").click()
        expect(self.feed).to_contain_text("live")

    def open_drawer(self) -> None:
        """Show the content of the bar, which a narrow window keeps behind a button."""
        if self.bar.locator(".opens-drawer").is_visible():
            self.bar.locator(".opens-drawer").click()

    def sign_up(self, name: str) -> None:
        """Sign up with the form in the bar."""
        self.open_drawer()
        self.bar.get_by_role("button", name="New here?").click()
        self.bar.get_by_label("Username").fill(name)
        self.bar.get_by_label("E-mail").fill(f"{name}@example.com")
        self.bar.get_by_label("Password").fill(PASSWORD)
        self.bar.get_by_role("button", name="Sign up").click()
        self.expect_signed_in(name)

    @property
    def verification(self) -> Locator:
        """The form in the bar that asks for the code that verifies the address."""
        return self.bar.get_by_role("form", name="Verify your address")

    def sign_out_elsewhere(self) -> None:
        """End the session outside of the page."""
        self._send("mutation { signOut { sessionIds } }")

    def tweet_elsewhere(self, text: str) -> str:
        """Tweet as the signed-in user, outside of the page, and return the id."""
        # Not as \u escapes: the router refuses surrogate pairs in a document.
        literal = json.dumps(text, ensure_ascii=False)
        created = self._send(
            f"mutation {{ createTweet(input: {{text: {literal}}}) {{ ... on Tweet {{ id }} }} }}"
        )
        return str(created["createTweet"]["id"])

    @property
    def tokens(self) -> dict[str, str]:
        """The session that the page has stored."""
        kept: dict[str, str] = self.page.evaluate(
            "JSON.parse(sessionStorage.getItem('chirp.session'))"
        )
        return kept

    def _send(self, query: str) -> dict[str, Any]:
        answer = self.page.request.post(
            "/graphql",
            data={"query": query},
            headers={"authorization": f"Bearer {self.tokens['accessToken']}"},
        )
        assert answer.ok
        data: dict[str, Any] = answer.json()["data"]
        return data

    def expect_signed_in(self, name: str) -> None:
        expect(self.bar.locator(".name")).to_contain_text(f"Signed in as {name}")

    def layout_shift(self) -> float:
        """Return the sum of the layout shifts so far, which is at least the CLS."""
        shifts = self.page.evaluate("window.shifts")
        return float(sum(shift["value"] for shift in shifts))

    def expect_signed_out(self) -> None:
        expect(self.bar.get_by_role("button", name="Sign in")).to_be_visible()

    def wait_until_read(self, model: str, text: str) -> None:
        """Wait until the editor model of this name contains the text."""
        self.wait_until(f"([model, text]) => {_MODEL}.getValue().includes(text)", [model, text])

    def wait_until(self, condition: str, argument: object = None) -> None:
        """Wait for a condition without eval, which the page's policy forbids to Playwright."""
        if not self._comes_true(condition, argument, 300):
            raise AssertionError(f"condition is still false: {condition} {argument}")

    def _comes_true(self, condition: str, argument: object, tries: int) -> bool:
        for _ in range(tries):
            if self.page.evaluate(condition, argument):
                return True
            self.page.wait_for_timeout(50)
        return False

    def write(self, model: str, text: str) -> None:
        self.page.evaluate(f"([model, text]) => {_MODEL}.setValue(text)", [model, text])

    def read(self, model: str) -> str:
        return str(self.page.evaluate(f"([model]) => {_MODEL}.getValue()", [model]))


_MODEL = "globalThis.__MONACO.editor.getModels().find(({ uri }) => uri.path.endsWith(model))"
