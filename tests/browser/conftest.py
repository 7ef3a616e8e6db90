"""A real browser. Its complaints and requests to other hosts fail the test."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.explorer import Explorer
from tests.stack import RunningStack

expect.set_options(timeout=20_000)  # a busy machine takes seconds to load the editor

NAMES = ("chromium", "chromium-browser", "google-chrome")

HOW = """The tests of the explorer need Chromium, which was not found.
On Debian and Ubuntu: apt-get install chromium fonts-liberation
Elsewhere set CHROMIUM to its path. To skip these tests: make test ARGS=--ignore=tests/browser"""

VIOLATIONS = """
window.violations = [];
addEventListener("securitypolicyviolation",
  (event) => window.violations.push(`${event.effectiveDirective} ${event.blockedURI}`));
"""


SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) {
    if (shift.hadRecentInput) continue;
    const moved = shift.sources.map(({ node }) => node?.className || node?.nodeName);
    window.shifts.push({ value: shift.value, moved });
  }
}).observe({ type: "layout-shift", buffered: true });
"""
"""Records the layout shifts that no act of the user has caused."""


@pytest.fixture(scope="session")
def chromium() -> Path:
    candidates = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else NAMES
    for candidate in map(shutil.which, candidates):
        if candidate:
            return Path(candidate)
    pytest.fail(HOW, pytrace=False)


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """Closed after each module: while it is open, no other test can run an event loop."""
    with sync_playwright() as playwright:
        # No other host can be resolved.
        rules = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
        browser = playwright.chromium.launch(
            executable_path=chromium, args=[f"--host-resolver-rules={rules}"]
        )
        yield browser
        browser.close()


class Watch:
    """Records complaints of a page and its requests to hosts other than the edge."""

    def __init__(self, origin: str) -> None:
        self.complaints: list[str] = []
        self._host = urlsplit(origin).netloc

    def follow(self, page: Page) -> None:
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        page.on("request", lambda request: self._see(request.url))
        page.on("websocket", lambda socket: self._see(socket.url))

    def _hear(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(f"{kind}: {text}")

    def _see(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.netloc != self._host and parts.scheme not in {"blob", "data"}:
            self.complaints.append(f"request to another host: {url}")


@pytest.fixture
def watch(stack: RunningStack) -> Iterator[Watch]:
    watch = Watch(stack.url)
    yield watch
    assert watch.complaints == []


Open = Callable[..., Explorer]


@pytest.fixture
def open_explorer(browser: Browser, stack: RunningStack, watch: Watch) -> Iterator[Open]:
    """Open the page in a new window, which shares no state with the others."""
    contexts: list[BrowserContext] = []

    def make(scheme: str = "light", width: int = 1280, height: int = 800) -> Explorer:
        context = browser.new_context(
            base_url=stack.url,
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
            viewport={"width": width, "height": height},
        )
        context.set_default_timeout(30_000)
        context.add_init_script(VIOLATIONS)
        context.add_init_script(SHIFTS)
        contexts.append(context)
        page = context.new_page()
        watch.follow(page)
        return Explorer(page).open()

    yield make
    for context in contexts:
        for page in context.pages:
            watch.complaints += page.evaluate("window.violations")
        context.close()


@pytest.fixture
def explorer(open_explorer: Open) -> Explorer:
    return open_explorer()


@pytest.fixture
def name() -> str:
    """A username that no other test has."""
    return f"u{secrets.token_hex(6)}"
