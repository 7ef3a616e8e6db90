"""The site of the documentation in a browser that reaches no other host."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from chassis.topology import ROOT
from deploy.docs.__main__ import build, serving
from tests.browser.conftest import Watch


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    assert build() == 0
    with serving(port=0) as url:
        yield url


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A window; its complaints and requests to other hosts fail the test."""
    watch = Watch(url)
    with browser.new_context(base_url=url) as context:
        page = context.new_page()
        watch.follow(page)
        yield page
    assert watch.complaints == []


def test_diagram_is_drawn(page: Page) -> None:
    page.goto("/index.html")
    # The generator draws it into a closed shadow root, which only its host's height shows.
    diagram = page.locator("div.mermaid")
    expect(diagram).to_be_visible()
    page.wait_for_function("document.querySelector('div.mermaid').offsetHeight > 200")


def test_search_finds_a_setting(page: Page) -> None:
    page.goto("/index.html", wait_until="networkidle")  # before that no script takes the keys
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("AUTH_SESSION_DAYS")
    expect(page.get_by_role("option").first).to_contain_text("Settings")


def test_link_to_a_source_file_leads_to_its_text(page: Page) -> None:
    page.goto("/docs/architecture.html")
    link = page.get_by_role("link", name="router/edge.py")
    answer = page.request.get(link.evaluate("link => link.href"))
    assert answer.headers["content-type"] == "text/plain"
    assert answer.text() == (ROOT / "router" / "edge.py").read_text()
