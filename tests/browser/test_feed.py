"""The live feed on the page: its events, its reconnections and its end."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, Watch
from tests.browser.explorer import PASSWORD, Explorer
from tests.browser.test_errors import forgive
from tests.stack import ON_ONE_ROUTER, RunningStack

pytestmark = [ON_ONE_ROUTER, pytest.mark.needs("tweets", "notifier")]


class TestFeed:
    def test_retweet_of_another_user_appears(self, open_explorer: Open, name: str) -> None:
        ada, grace = open_explorer(), open_explorer("dark")
        ada.sign_up(f"a{name[:15]}")
        grace.sign_up(f"g{name[:15]}")
        ada.watch_feed()
        tweet = ada.run("Tweet", {"text": "Hello"})["data"]["createTweet"]
        expect(ada.events).to_have_count(1)
        expect(ada.events.first).to_contain_text(f"a{name[:15]} tweeted Hello")

        grace.run("Retweet", {"tweetId": tweet["id"]})
        expect(ada.events).to_have_count(2)
        expect(ada.events.first).to_contain_text(f"g{name[:15]} retweeted Hello")
        expect(ada.feed).to_contain_text("2 events")
        assert grace.feed.count() == 0

    def test_stopping_ends_the_feed_and_changing_tabs_does_not(
        self, explorer: Explorer, name: str
    ) -> None:
        explorer.sign_up(name)
        explorer.watch_feed()
        explorer.choose("MyTweets")
        explorer.tweet_elsewhere("Hello")
        expect(explorer.events).to_have_count(1)
        assert explorer.read("response.json") == ""  # the response of this tab
        explorer.choose("WatchMyFeed")
        expect(explorer.feed).to_contain_text("live")
        explorer.feed.get_by_role("button", name="Stop").click()
        expect(explorer.feed).to_contain_text("You stopped the feed.")

        explorer.page.get_by_role("button", name="Execute query").click()
        expect(explorer.feed).to_contain_text("live")
        explorer.page.get_by_role("button", name="Stop query").click()
        expect(explorer.feed).to_contain_text("You stopped the feed.")

    def test_feed_goes_on_after_a_reload_without_a_gap(
        self, explorer: Explorer, name: str, watch: Watch
    ) -> None:
        explorer.sign_up(name)
        explorer.watch_feed()
        explorer.tweet_elsewhere("one")
        expect(explorer.events).to_have_count(1)
        explorer.page.goto("/favicon.svg")
        explorer.tweet_elsewhere("two")
        explorer.open()
        expect(explorer.events).to_have_text([re.compile("two")])
        expect(explorer.feed).to_contain_text("live")
        forgive(watch, 404)  # beside an image, Chromium asks for /favicon.ico

    def test_feed_of_a_session_without_the_scope_says_which_one(
        self, explorer: Explorer, name: str
    ) -> None:
        explorer.sign_up(name)
        explorer.bar.get_by_role("button", name="Sign out").click()
        explorer.expect_signed_out()
        login = {"login": name, "password": PASSWORD, "scopes": ["account:read"]}
        explorer.run("SignIn", {"input": login})
        explorer.expect_signed_in(name)
        explorer.choose("WatchMyFeed")
        explorer.page.get_by_role("button", name="Execute query").click()
        expect(explorer.feed).to_contain_text("This session lacks the scope tweets:read.")

    def test_feed_requires_signing_in(self, explorer: Explorer) -> None:
        explorer.choose("WatchMyFeed")
        explorer.page.get_by_role("button", name="Execute query").click()
        expect(explorer.feed).to_contain_text("You are not signed in.")

    def test_feed_resumes_without_a_repetition_after_an_outage(
        self, explorer: Explorer, stack: RunningStack, name: str, watch: Watch
    ) -> None:
        explorer.sign_up(name)
        explorer.watch_feed()
        explorer.run("Tweet", {"text": "one"})
        expect(explorer.events).to_have_count(1)
        stack.kill("tweets")
        expect(explorer.feed).to_contain_text("reconnecting")
        stack.restart("tweets")
        explorer.run("Tweet", {"text": "two"})
        expect(explorer.feed).to_contain_text("live", timeout=20_000)
        expect(explorer.events).to_have_count(2)
        expect(explorer.events).to_have_text([re.compile("two"), re.compile("one")])
        watch.complaints[:] = [text for text in watch.complaints if "WebSocket" not in text]
        forgive(watch, 503)


class TestEnd:
    def test_signing_out_in_the_editor_ends_the_feed(self, explorer: Explorer, name: str) -> None:
        explorer.sign_up(name)
        explorer.watch_feed()
        explorer.run("SignOut")
        expect(explorer.feed).to_contain_text("ended")
        expect(explorer.feed).to_contain_text(re.compile("signed out|session has ended"))
        explorer.expect_signed_out()

    def test_signing_out_in_the_bar_ends_the_feed(self, explorer: Explorer, name: str) -> None:
        explorer.sign_up(name)
        explorer.watch_feed()
        explorer.bar.get_by_role("button", name="Sign out").click()
        expect(explorer.feed).to_contain_text("ended")
        expect(explorer.page.get_by_role("button", name="Execute query")).to_be_visible()
        explorer.expect_signed_out()

    def test_signing_out_elsewhere_ends_the_feed(self, explorer: Explorer, name: str) -> None:
        explorer.sign_up(name)
        explorer.watch_feed()
        explorer.sign_out_elsewhere()
        expect(explorer.feed).to_contain_text("The session has ended. You are signed out.")
        explorer.expect_signed_out()
