"""Accessibility, content security policy, build and loading order of the page."""

import io
import threading

import pytest
from playwright.sync_api import Browser, Route, expect

from stack.commands import Commands
from stack.console import Console
from stack.explorer import build
from tests.browser.accessibility import problems
from tests.browser.conftest import Open
from tests.stack import ON_ONE_ROUTER, RunningStack

pytestmark = ON_ONE_ROUTER


class TestAccessibility:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [380, 1280])
    def test_axe_finds_no_problem(
        self, open_explorer: Open, width: int, scheme: str, name: str
    ) -> None:
        explorer = open_explorer(scheme, width)
        explorer.run("Tweet")
        expect(explorer.notice).to_contain_text("You are not signed in.")
        explorer.page.get_by_role("button", name="Show Documentation Explorer").click()
        expect(explorer.page.get_by_role("link", name="Mutation")).to_be_visible()
        assert problems(explorer.page) == []
        explorer.page.get_by_role("button", name="Hide Documentation Explorer").press("Enter")
        explorer.open_drawer()
        assert problems(explorer.page) == []
        explorer.page.keyboard.press("Escape")
        explorer.sign_up(name)
        explorer.watch_feed()
        explorer.tweet_elsewhere("Hello")
        expect(explorer.feed).to_contain_text("1 event")
        if width < 900:
            explorer.feed.get_by_role("button", name="Show").click()
        assert problems(explorer.page) == []
        explorer.page.get_by_role("button", name="Show History").click()
        assert problems(explorer.page) == []


class TestPolicy:
    def test_only_scripts_of_the_build_run(self, browser: Browser, stack: RunningStack) -> None:
        page = browser.new_page()
        page.goto(stack.url)
        page.evaluate(
            """async () => {
                window.ran = [];
                await new Promise((resolve) => setTimeout(resolve));  // outside the debugger
                const script = document.createElement("script");
                script.textContent = "window.ran.push('inline')";
                document.body.append(script);
                document.body.insertAdjacentHTML("beforeend", "<b onclick='ran.push(1)'>b</b>");
                document.body.lastElementChild.click();
                try { window.eval("window.ran.push('eval')"); } catch {}
            }"""
        )
        assert page.evaluate("window.ran") == []
        with pytest.raises(Exception, match="Failed to fetch"):
            page.evaluate("fetch('http://127.0.0.1:9/')")
        page.close()


class Refusing(Commands):
    """Fails when a command is run."""

    def __init__(self) -> None:
        super().__init__(Console(io.StringIO()), threading.Event())

    def run_all(self, commands: object, preloader: object = None) -> None:
        raise AssertionError(f"was to run: {commands}")


class TestBuild:
    def test_page_with_unchanged_sources_is_not_built_again(self, stack: RunningStack) -> None:
        build(Refusing())


class TestWeight:
    def test_bar_is_shown_before_the_editor_loads(
        self, browser: Browser, stack: RunningStack
    ) -> None:
        page = browser.new_page()
        waiting: list[Route] = []
        page.route("**/assets/editor-*.js", lambda route: waiting.append(route))
        page.goto(stack.url, wait_until="commit")
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        expect(page.get_by_text("Loading the editor")).to_be_visible()
        for route in waiting:
            route.continue_()
        expect(page.get_by_role("button", name="Execute query")).to_be_visible()
        page.close()
