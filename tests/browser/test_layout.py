"""The page in windows of any width: nothing is cut off, and nothing moves below a click."""

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Open, Watch
from tests.browser.explorer import Explorer
from tests.stack import ON_ONE_ROUTER

pytestmark = [ON_ONE_ROUTER, pytest.mark.needs("tweets", "notifier")]

SHIFT = 0.1
"""The CLS that is good: https://web.dev/articles/cls"""

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

COLUMNS = """() => {
  const editor = globalThis.__MONACO.editor.getEditors()
    .find((each) => each.getModel().uri.path.endsWith("operation.graphql"));
  const { wrappingColumn } = editor.getOption(globalThis.__MONACO.editor.EditorOption.wrappingInfo);
  return wrappingColumn;
}"""
"""The number of characters in a line of the operation's editor."""

CUT_OFF = """() => globalThis.__MONACO.editor.getEditors()
  .filter((editor) => /operation|variables/.test(editor.getModel().uri.path))
  .filter((editor) => editor.getScrollWidth() > editor.getLayoutInfo().contentWidth + 1)
  .map((editor) => editor.getModel().uri.path)"""
"""The editors with lines that are not shown whole."""


def width_of(part: Locator) -> float:
    box = part.bounding_box()
    assert box
    return box["width"]


class TestWidths:
    @pytest.mark.parametrize("width", [380, 800])
    def test_panes_are_stacked_in_a_narrow_window(
        self, open_explorer: Open, width: int, name: str
    ) -> None:
        explorer = open_explorer(width=width)
        explorer.sign_up(name)
        explorer.run("MyTweets")
        expect(explorer.page.locator(".graphiql-response")).to_be_in_viewport(ratio=0.5)
        for pane in (".graphiql-query-editor", ".graphiql-response", ".graphiql-editor-tool"):
            assert width_of(explorer.page.locator(pane)) > 0.9 * width
        assert explorer.page.evaluate(OVERFLOW) == 0

    @pytest.mark.parametrize("width", [380, 1280])
    def test_story_is_shown_whole_in_every_tab(self, open_explorer: Open, width: int) -> None:
        explorer = open_explorer(width=width)
        tabs = explorer.page.get_by_role("list", name="Select active operation")
        for title in tabs.get_by_role("listitem").all_inner_texts():
            explorer.choose(title)
            assert (title, explorer.page.evaluate(CUT_OFF)) == (title, [])

    @pytest.mark.parametrize(("width", "height"), [(1280, 800), (640, 400), (380, 800)])
    def test_a_line_of_code_fits_at_any_zoom(
        self, open_explorer: Open, width: int, height: int
    ) -> None:
        """640 by 400 pixels remain of 1280 by 800 at a zoom of 200 %."""
        explorer = open_explorer(width=width, height=height)
        assert explorer.page.evaluate(COLUMNS) >= 30
        assert explorer.page.evaluate(OVERFLOW) == 0


class TestSheets:
    def test_feed_is_a_sheet_in_a_narrow_window(self, open_explorer: Open, name: str) -> None:
        explorer = open_explorer(width=380)
        explorer.sign_up(name)
        explorer.watch_feed()
        explorer.tweet_elsewhere("Hello")
        expect(explorer.feed).to_contain_text("1 event")
        expect(explorer.feed).to_be_in_viewport()
        expect(explorer.events).to_have_count(0)
        explorer.feed.get_by_role("button", name="Show").click()
        expect(explorer.events.first).to_be_in_viewport()
        explorer.feed.get_by_role("button", name="Hide").click()
        expect(explorer.events).to_have_count(0)

    def test_docs_are_a_sheet_that_escape_closes(self, open_explorer: Open) -> None:
        page = open_explorer(width=380).page
        page.get_by_role("button", name="Show Documentation Explorer").click()
        expect(page.get_by_role("button", name="Close Documentation Explorer")).to_be_focused()
        assert width_of(page.locator(".graphiql-plugin")) == 380
        page.keyboard.press("Escape")
        expect(page.locator(".graphiql-plugin")).to_be_empty()
        expect(page.get_by_role("button", name="Show Documentation Explorer")).to_be_focused()

    def test_ended_session_opens_the_form_to_sign_in(self, open_explorer: Open, name: str) -> None:
        explorer = open_explorer(width=380)
        explorer.sign_up(name)
        explorer.watch_feed()
        explorer.sign_out_elsewhere()
        expect(explorer.bar.locator(".why")).to_be_visible()
        expect(explorer.bar.get_by_label("Username or e-mail")).to_be_visible()


class TestLayoutShift:
    @pytest.mark.parametrize("width", [380, 800, 1280, 1920])
    def test_nothing_moves_by_itself_in_the_story(
        self, open_explorer: Open, width: int, name: str
    ) -> None:
        explorer = open_explorer(width=width)
        explorer.sign_up(name)
        explorer.watch_feed()
        explorer.run("Tweet", {"text": "Hello"})
        explorer.run("Retweet", {"tweetId": ""})
        expect(explorer.notice).to_contain_text("There is no such tweet.")
        explorer.sign_out_elsewhere()
        expect(explorer.feed).to_contain_text("ended")
        shifts = explorer.page.evaluate("window.shifts")
        assert explorer.layout_shift() < SHIFT, shifts

    def test_run_stays_where_it_is_during_an_outage(self, explorer: Explorer, watch: Watch) -> None:
        explorer.choose("MyTweets")
        run = explorer.page.get_by_role("button", name="Execute query")
        before = run.bounding_box()
        for path in ("graphql", "healthz"):
            explorer.page.route(f"**/{path}", lambda route: route.abort())
        run.click()
        expect(explorer.health).to_contain_text("A part of Chirp does not answer.")
        assert run.bounding_box() == before
        explorer.page.unroute_all()
        expect(explorer.health).to_contain_text("Chirp answers again.")
        assert run.bounding_box() == before
        assert explorer.layout_shift() < SHIFT
        watch.complaints[:] = [text for text in watch.complaints if "net::ERR_FAILED" not in text]
