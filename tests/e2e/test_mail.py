"""A retweet becomes one mail to an author who asked for it, and nothing else does."""

import re
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html import unescape
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from client import api
from client.api import Account, run
from client.documents import CREATE_TWEET, RETWEET
from tests.stack import RunningStack, eventually

pytestmark = pytest.mark.needs("tweets", "notifier")

SignUp = Callable[[], Account]

OPT_IN = """mutation ($on: Boolean!) {
    updateEmailSettings(input: {retweets: $on}) { retweets addressUnsubscribed }
}"""
SETTINGS = "{ me { emailSettings { retweets } } }"
ALL_SETTINGS = "{ me { emailSettings { retweets addressUnsubscribed } } }"


class Mailbox:
    """What MailDev has taken."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def of(self, account: Account) -> list[EmailMessage]:
        """The mails to an account, as they came over the wire."""
        address = f"{account.username}@example.com"
        listed: list[dict[str, Any]] = self._client.get("/email").json()
        return [
            message_from_bytes(
                self._client.get(f"/email/{mail['id']}/source").content, policy=default
            )
            for mail in listed
            if address in [to["address"] for to in mail["to"]]
        ]

    def wait_for(self, account: Account, count: int = 1) -> list[EmailMessage]:
        eventually(lambda: len(self.of(account)) >= count, f"{count} mails are there")
        return self.of(account)


@pytest.fixture
def mailbox(stack: RunningStack) -> Iterator[Mailbox]:
    with httpx.Client(base_url=stack.mailbox_url, trust_env=False) as client:
        yield Mailbox(client)


@pytest.fixture
def opt_in(edge: httpx.Client, sign_up: SignUp) -> SignUp:
    """Makes an account whose owner wants mail."""

    def make() -> Account:
        account = sign_up()
        answer = run(edge, OPT_IN, account, on=True)
        settings = answer["updateEmailSettings"]
        assert settings == {"retweets": True, "addressUnsubscribed": False}
        return account

    return make


def tweet(edge: httpx.Client, author: Account, text: str = "Hello <world> 👋") -> str:
    return str(run(edge, CREATE_TWEET, author, text=text)["createTweet"]["id"])


def part(mail: EmailMessage, subtype: str) -> str:
    body = mail.get_body((subtype,))
    assert body is not None
    return str(body.get_content())


def links_of(mail: EmailMessage) -> set[str]:
    """Every address in the text, in the page, and in the header."""
    hrefs = re.findall(r'(?:href|src)="([^"]*)"', part(mail, "html"))
    written = re.findall(r"https?://\S+", part(mail, "plain"))
    header = mail["list-unsubscribe"].replace("\n", "").strip("<>")
    return {*map(unescape, hrefs), *written, header}


class TestRetweetMail:
    def test_an_author_who_opted_in_gets_exactly_one(
        self, edge: httpx.Client, opt_in: SignUp, sign_up: SignUp, mailbox: Mailbox
    ) -> None:
        ada, grace = opt_in(), sign_up()
        tweet_id = tweet(edge, ada)
        run(edge, RETWEET, grace, id=tweet_id)
        run(edge, RETWEET, grace, id=tweet_id)
        (mail,) = mailbox.wait_for(ada)

        assert mail["to"] == f"{ada.username}@example.com" or ada.username in mail["to"]
        assert grace.username in mail["subject"]
        assert mail["message-id"]
        assert mail["date"]
        assert mail["list-id"]
        assert mail["auto-submitted"] == "auto-generated"
        assert mail["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
        text, html = part(mail, "plain"), part(mail, "html")
        for body in (text, html):
            assert grace.username in body
            assert tweet_id in body
        assert "Hello <world> 👋" in text
        assert "Hello &lt;world&gt; 👋" in html

    def test_unsubscribing_by_post_ends_it(
        self, edge: httpx.Client, opt_in: SignUp, sign_up: SignUp, mailbox: Mailbox
    ) -> None:
        ada, grace = opt_in(), sign_up()
        run(edge, RETWEET, grace, id=tweet(edge, ada))
        (mail,) = mailbox.wait_for(ada)
        link = re.fullmatch(r"<(http.*)>", mail["list-unsubscribe"].replace("\n", ""))
        assert link

        page = httpx.get(link[1], trust_env=False)
        assert page.status_code == 200
        assert "<form" in page.text
        assert run(edge, SETTINGS, ada)["me"]["emailSettings"] == {"retweets": True}

        one_click = {"List-Unsubscribe": "One-Click"}
        done = httpx.post(link[1], data=one_click, trust_env=False)
        assert done.status_code == 200
        assert run(edge, SETTINGS, ada)["me"]["emailSettings"] == {"retweets": False}

        run(edge, RETWEET, grace, id=tweet(edge, ada))
        later = opt_in()
        run(edge, RETWEET, grace, id=tweet(edge, later))
        mailbox.wait_for(later)
        assert len(mailbox.of(ada)) == 1

        # The account cannot switch it on again; the page of the link can.
        answer = run(edge, OPT_IN, ada, on=True)
        assert answer["updateEmailSettings"] == {"retweets": False, "addressUnsubscribed": True}
        action = re.search(r'<form method="post" action="([^"]+)"', done.text)
        assert action
        back = urljoin(link[1], unescape(action[1]))
        assert httpx.post(back, trust_env=False).status_code == 200
        assert run(edge, SETTINGS, ada)["me"]["emailSettings"] == {"retweets": True}

    def test_an_address_that_has_unsubscribed_stays_so_in_a_new_account(
        self, edge: httpx.Client, opt_in: SignUp, sign_up: SignUp, mailbox: Mailbox
    ) -> None:
        ada, grace = opt_in(), sign_up()
        run(edge, RETWEET, grace, id=tweet(edge, ada))
        (mail,) = mailbox.wait_for(ada)
        link = mail["list-unsubscribe"].replace("\n", "").strip("<>")
        assert httpx.post(link, trust_env=False).status_code == 200
        delete = "mutation ($p: String!) { deleteAccount(password: $p) { __typename } }"
        run(edge, delete, ada, p=ada.password)

        again = api.sign_up(edge, ada.username, emailSettings={"retweets": True})
        eventually(
            lambda: (
                run(edge, ALL_SETTINGS, again)["me"]["emailSettings"]
                == {"retweets": False, "addressUnsubscribed": True}
            ),
            "the notifier knows the address",
        )
        run(edge, RETWEET, grace, id=tweet(edge, again))
        later = opt_in()
        run(edge, RETWEET, grace, id=tweet(edge, later))
        mailbox.wait_for(later)
        assert len(mailbox.of(ada)) == 1

    def test_nobody_else_gets_any(
        self, edge: httpx.Client, opt_in: SignUp, sign_up: SignUp, mailbox: Mailbox
    ) -> None:
        quiet, ada, grace = sign_up(), opt_in(), sign_up()
        run(edge, RETWEET, grace, id=tweet(edge, quiet))
        run(edge, RETWEET, ada, id=tweet(edge, ada))
        later = opt_in()
        run(edge, RETWEET, grace, id=tweet(edge, later))
        mailbox.wait_for(later)
        assert mailbox.of(quiet) == mailbox.of(ada) == mailbox.of(grace) == []

    def test_signing_up_may_opt_in_at_once(
        self, edge: httpx.Client, sign_up: SignUp, mailbox: Mailbox
    ) -> None:
        ada = api.sign_up(edge, emailSettings={"retweets": True})
        run(edge, RETWEET, sign_up(), id=tweet(edge, ada))
        assert len(mailbox.wait_for(ada)) == 1

    def test_settings_are_nobody_elses_business(
        self, edge: httpx.Client, opt_in: SignUp, sign_up: SignUp
    ) -> None:
        ada, grace = opt_in(), sign_up()
        tweet_id = tweet(edge, ada)
        query = """query ($id: ID!) {
            tweet(id: $id) { author { username emailSettings { retweets } } } }"""
        assert run(edge, query, grace, id=tweet_id)["tweet"]["author"]["emailSettings"] is None
        mine = run(edge, query, ada, id=tweet_id)["tweet"]["author"]["emailSettings"]
        assert mine == {"retweets": True}


class TestLinks:
    def test_every_link_of_every_mail_is_answered(
        self,
        edge: httpx.Client,
        opt_in: SignUp,
        sign_up: SignUp,
        mailbox: Mailbox,
        stack: RunningStack,
    ) -> None:
        ada, grace = opt_in(), sign_up()
        tweets = [tweet(edge, ada) for _ in range(3)]
        for tweet_id in tweets:
            run(edge, RETWEET, grace, id=tweet_id)
        pages = {f"{stack.settings['PUBLIC_URL']}/tweets/{tweet_id}" for tweet_id in tweets}
        found: set[str] = set()

        def all_tweets_are_linked() -> bool:
            for mail in mailbox.of(ada):
                found.update(links_of(mail))
            return pages <= found

        eventually(all_tweets_are_linked, "there is a mail about each tweet")
        assert len(found) > len(pages)  # and the links to unsubscribe
        explorer = edge.get("/").content
        for link in found:
            answer = httpx.get(link, trust_env=False)
            assert (answer.status_code, link) == (200, link)
            assert answer.headers["content-type"].startswith("text/html")
            assert (answer.content == explorer) is (link in pages)


class TestWhileSomethingIsAway:
    @pytest.mark.parametrize("away", ["valkey", "notifier", "mailbox"])
    def test_the_retweet_succeeds_and_its_mail_comes_later(
        self,
        edge: httpx.Client,
        opt_in: SignUp,
        sign_up: SignUp,
        mailbox: Mailbox,
        stack: RunningStack,
        away: str,
    ) -> None:
        ada, grace = opt_in(), sign_up()
        tweet_id = tweet(edge, ada)
        stack.kill(away)
        try:
            answer = run(edge, RETWEET, grace, id=tweet_id)
            assert answer["retweet"]["retweetCount"] == 1
        finally:
            stack.restart(away)
        assert len(mailbox.wait_for(ada)) == 1


class TestDeletedAccount:
    def test_takes_tweets_and_retweets_along(
        self, edge: httpx.Client, opt_in: SignUp, sign_up: SignUp
    ) -> None:
        ada, grace = opt_in(), sign_up()
        hers, his = tweet(edge, ada), tweet(edge, grace)
        run(edge, RETWEET, ada, id=his)
        run(edge, RETWEET, grace, id=hers)
        mutation = "mutation ($p: String!) { deleteAccount(password: $p) { __typename } }"
        run(edge, mutation, ada, p=ada.password)

        query = "query ($id: ID!) { tweet(id: $id) { retweetCount } }"
        eventually(lambda: run(edge, query, grace, id=hers)["tweet"] is None, "hers is gone")
        eventually(
            lambda: run(edge, query, grace, id=his)["tweet"] == {"retweetCount": 0},
            "her retweet is gone",
        )
