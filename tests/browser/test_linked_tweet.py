"""The page of one tweet, which mails link to."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.explorer import Explorer
from tests.stack import ON_ONE_ROUTER

pytestmark = [ON_ONE_ROUTER, pytest.mark.needs("tweets", "notifier")]


def follow(explorer: Explorer, tweet_id: str) -> None:
    explorer.page.goto(f"/tweets/{tweet_id}")
    explorer.wait_until_ready()


class TestLinkedTweet:
    def test_signed_in_user_sees_the_tweet(self, explorer: Explorer, name: str) -> None:
        explorer.sign_up(name)
        tweet = explorer.run("Tweet", {"text": "Hello 👋"})["data"]["createTweet"]
        follow(explorer, tweet["id"])
        explorer.wait_until_read("response.json", "Hello 👋")
        assert tweet["id"] in explorer.read("variables.json")
        # The earlier tabs remain, and a second visit adds none.
        count = explorer.page.get_by_role("button", name="LinkedTweet", exact=True).count()
        follow(explorer, tweet["id"])
        explorer.wait_until_read("response.json", "Hello 👋")
        assert explorer.page.get_by_role("button", name="LinkedTweet", exact=True).count() == count
        assert explorer.run("MyTweets")["data"]["me"]["username"] == name

    def test_anonymous_user_sees_the_tweet_after_signing_in(
        self, explorer: Explorer, open_explorer: Open, name: str
    ) -> None:
        explorer.sign_up(f"a{name[:15]}")
        tweet = explorer.run("Tweet", {"text": "Hello 👋"})["data"]["createTweet"]
        reader = open_explorer()
        follow(reader, tweet["id"])
        expect(reader.notice).to_contain_text("Sign in to see this tweet.")
        assert reader.read("response.json") == ""
        reader.sign_up(f"b{name[:15]}")
        reader.wait_until_read("response.json", "Hello 👋")
        expect(reader.notice).to_be_empty()

    def test_unknown_tweet_is_reported(self, explorer: Explorer, name: str) -> None:
        explorer.sign_up(name)
        follow(explorer, "01a203fc-0000-7000-8000-00000000abcd")
        expect(explorer.notice).to_contain_text("There is no such tweet.")
