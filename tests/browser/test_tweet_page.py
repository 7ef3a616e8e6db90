"""The page of one tweet, which mails link to."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import problems
from tests.browser.conftest import Open
from tests.browser.explorer import Explorer
from tests.stack import ON_ONE_ROUTER

pytestmark = [ON_ONE_ROUTER, pytest.mark.needs("tweets", "notifier")]

UNKNOWN = "01a203fc-0000-7000-8000-00000000abcd"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def tweet(explorer: Explorer, text: str = "Hello 👋") -> str:
    """Tweet as the signed-in user and return the path of the tweet's page."""
    return f"/tweets/{explorer.tweet_elsewhere(text)}"


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


class TestTweetPage:
    def test_reader_sees_the_tweet_and_retweets_it(
        self, explorer: Explorer, open_explorer: Open, name: str
    ) -> None:
        explorer.sign_up(f"a{name[:15]}")
        path = tweet(explorer, "One line\nand <b>another</b>")
        reader = open_explorer()
        reader.sign_up(f"b{name[:15]}")
        page = reader.page
        page.goto(path)
        heading(page, f"Tweet by a{name[:15]}")
        expect(page).to_have_title(f"Tweet by a{name[:15]} · Chirp")
        article = page.get_by_role("article")
        expect(article).to_contain_text("One line\nand <b>another</b>", use_inner_text=True)
        expect(article).to_contain_text("0 retweets")

        article.get_by_role("button", name="Retweet", exact=True).click()
        expect(article.get_by_role("status")).to_have_text("You have retweeted it.")
        expect(article).to_contain_text("1 retweet")
        article.get_by_role("button", name="Undo retweet").click()
        expect(article.get_by_role("status")).to_have_text("You have undone your retweet.")
        expect(article).to_contain_text("0 retweets")

    def test_page_of_a_retweet_names_both_users(
        self, explorer: Explorer, open_explorer: Open, name: str
    ) -> None:
        explorer.sign_up(f"a{name[:15]}")
        path = tweet(explorer)
        reader = open_explorer()
        reader.sign_up(f"b{name[:15]}")
        retweet = reader.run("Retweet", {"tweetId": path.rpartition("/")[2]})["data"]["retweet"]
        reader.page.goto(f"/tweets/{retweet['id']}")
        heading(reader.page, f"Tweet by a{name[:15]}")
        expect(reader.page.get_by_role("article")).to_contain_text(f"b{name[:15]} retweeted this")

    def test_anonymous_reader_sees_the_tweet_after_signing_in(
        self, explorer: Explorer, open_explorer: Open, name: str
    ) -> None:
        explorer.sign_up(f"a{name[:15]}")
        path = tweet(explorer)
        reader = open_explorer()
        reader.page.goto(path)
        heading(reader.page, "Sign in to see this tweet")
        expect(reader.page.get_by_text("Hello 👋")).to_have_count(0)
        reader.page.get_by_role("button", name="Go to the form").click()
        expect(reader.bar.get_by_label("Username or e-mail")).to_be_focused()
        reader.sign_up(f"b{name[:15]}")
        heading(reader.page, f"Tweet by a{name[:15]}")
        reader.bar.get_by_role("button", name="Sign out").click()
        heading(reader.page, "Sign in to see this tweet")

    def test_unknown_tweet_is_reported(self, explorer: Explorer, name: str) -> None:
        explorer.sign_up(name)
        explorer.page.goto(f"/tweets/{UNKNOWN}")
        heading(explorer.page, "There is no such tweet")

    def test_link_opens_the_tweet_in_the_explorer(self, explorer: Explorer, name: str) -> None:
        explorer.sign_up(name)
        explorer.page.goto(tweet(explorer))
        explorer.page.get_by_role("link", name="Open in the explorer").click()
        explorer.wait_until_ready()
        assert "Hello 👋" in str(explorer.run("ReadTweet")["data"]["tweet"])

    def test_editor_is_not_loaded(self, explorer: Explorer, name: str) -> None:
        explorer.sign_up(name)
        page = explorer.page
        loaded: list[str] = []
        page.on("request", lambda request: loaded.append(request.url))
        page.goto(tweet(explorer))
        heading(page, f"Tweet by {name}")
        assert not [url for url in loaded if "editor-" in url or "monaco" in url]


class TestAccessibility:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [380, 1280])
    def test_axe_finds_no_problem_and_nothing_is_cut_off(
        self, open_explorer: Open, width: int, scheme: str, name: str
    ) -> None:
        explorer = open_explorer(scheme)
        page = explorer.page
        explorer.sign_up(name)
        path = tweet(explorer, "An-unbreakable-word-" * 10)
        page.set_viewport_size({"width": width, "height": 800})
        for target, text in ((path, f"Tweet by {name}"), (UNKNOWN, "There is no such tweet")):
            page.goto(target if target == path else f"/tweets/{UNKNOWN}")
            heading(page, text)
            assert (text, problems(page)) == (text, [])
            assert page.evaluate(OVERFLOW) == 0, text
        explorer.open_drawer()
        explorer.bar.get_by_role("button", name="Sign out").click()
        heading(page, "Sign in to see this tweet")
        assert problems(page) == []
        page.keyboard.press("Escape")  # the drawer that says so
        page.get_by_role("button", name="Go to the form").click()
        expect(explorer.bar.get_by_label("Username or e-mail")).to_be_focused()
        assert problems(page) == []

    def test_retweeting_without_a_mouse_keeps_the_focus(
        self, explorer: Explorer, name: str
    ) -> None:
        explorer.sign_up(name)
        page = explorer.page
        page.goto(tweet(explorer))
        heading(page, f"Tweet by {name}")
        explorer.bar.get_by_role("button", name="Send the mail again").focus()
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Retweet", exact=True)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Undo retweet")).to_be_focused()
