"""Mails about retweets, through the whole system."""

import re
from collections.abc import Callable
from email.message import EmailMessage
from html import unescape
from urllib.parse import urljoin

import httpx
import pytest

from client import api
from client.api import Account, run
from client.documents import CREATE_TWEET, RETWEET
from client.mailbox import Mailbox
from tests.stack import ON_ONE_ROUTER, RunningStack, eventually

pytestmark = [pytest.mark.needs("tweets", "notifier"), ON_ONE_ROUTER]

SignUp = Callable[[], Account]

OPT_IN = """mutation ($on: Boolean!) {
    updateEmailSettings(input: {retweets: $on}) { retweets addressUnsubscribed }
}"""
SETTINGS = "{ me { emailSettings { retweets } } }"
ALL_SETTINGS = "{ me { emailSettings { retweets addressUnsubscribed } } }"


class RetweetMails:
    """The mails about retweets that the mailbox has received."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def of(self, account: Account) -> list[EmailMessage]:
        return [mail for mail in self._mailbox.of(account.email) if mail["list-id"]]

    def wait_for(self, account: Account, count: int = 1) -> list[EmailMessage]:
        eventually(lambda: len(self.of(account)) >= count, f"{count} mails have arrived")
        return self.of(account)


@pytest.fixture
def mails(mailbox: Mailbox) -> RetweetMails:
    return RetweetMails(mailbox)


@pytest.fixture
def opt_in(edge: httpx.Client, sign_up_verified: SignUp) -> SignUp:
    """Return a function that creates an account with a verified address and mails switched on."""

    def make() -> Account:
        account = sign_up_verified()
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
    """Return every URL in the text, the HTML and the header."""
    hrefs = re.findall(r'(?:href|src)="([^"]*)"', part(mail, "html"))
    written = re.findall(r"https?://\S+", part(mail, "plain"))
    header = mail["list-unsubscribe"].replace("\n", "").strip("<>")
    return {*map(unescape, hrefs), *written, header}


class TestRetweetMail:
    def test_author_who_opted_in_gets_exactly_one_mail(
        self, edge: httpx.Client, opt_in: SignUp, sign_up: SignUp, mails: RetweetMails
    ) -> None:
        ada, grace = opt_in(), sign_up()
        tweet_id = tweet(edge, ada)
        run(edge, RETWEET, grace, id=tweet_id)
        run(edge, RETWEET, grace, id=tweet_id)
        (mail,) = mails.wait_for(ada)

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

    def test_unsubscribing_by_post_ends_mails(
        self, edge: httpx.Client, opt_in: SignUp, sign_up: SignUp, mails: RetweetMails
    ) -> None:
        ada, grace = opt_in(), sign_up()
        run(edge, RETWEET, grace, id=tweet(edge, ada))
        (mail,) = mails.wait_for(ada)
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
        mails.wait_for(later)
        assert len(mails.of(ada)) == 1

        # The account cannot switch mails on again; the page of the link can.
        answer = run(edge, OPT_IN, ada, on=True)
        assert answer["updateEmailSettings"] == {"retweets": False, "addressUnsubscribed": True}
        action = re.search(r'<form method="post" action="([^"]+)"', done.text)
        assert action
        back = urljoin(link[1], unescape(action[1]))
        assert httpx.post(back, trust_env=False).status_code == 200
        assert run(edge, SETTINGS, ada)["me"]["emailSettings"] == {"retweets": True}

    def test_unsubscribed_address_stays_so_in_a_new_account(
        self, edge: httpx.Client, opt_in: SignUp, sign_up: SignUp, mails: RetweetMails
    ) -> None:
        ada, grace = opt_in(), sign_up()
        run(edge, RETWEET, grace, id=tweet(edge, ada))
        (mail,) = mails.wait_for(ada)
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
            "the notifier has the address",
        )
        run(edge, RETWEET, grace, id=tweet(edge, again))
        later = opt_in()
        run(edge, RETWEET, grace, id=tweet(edge, later))
        mails.wait_for(later)
        assert len(mails.of(ada)) == 1

    def test_users_without_opt_in_and_own_retweets_get_no_mail(
        self, edge: httpx.Client, opt_in: SignUp, sign_up: SignUp, mails: RetweetMails
    ) -> None:
        quiet, ada, grace = sign_up(), opt_in(), sign_up()
        run(edge, RETWEET, grace, id=tweet(edge, quiet))
        run(edge, RETWEET, ada, id=tweet(edge, ada))
        later = opt_in()
        run(edge, RETWEET, grace, id=tweet(edge, later))
        mails.wait_for(later)
        assert mails.of(quiet) == mails.of(ada) == mails.of(grace) == []

    def test_sign_up_can_opt_in(
        self,
        edge: httpx.Client,
        sign_up: SignUp,
        verify: Callable[[Account], None],
        mails: RetweetMails,
    ) -> None:
        ada = api.sign_up(edge, emailSettings={"retweets": True})
        verify(ada)
        run(edge, RETWEET, sign_up(), id=tweet(edge, ada))
        assert len(mails.wait_for(ada)) == 1

    def test_settings_are_hidden_from_other_users(
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
    def test_every_link_in_a_mail_is_served(
        self,
        edge: httpx.Client,
        opt_in: SignUp,
        sign_up: SignUp,
        mails: RetweetMails,
        stack: RunningStack,
    ) -> None:
        ada, grace = opt_in(), sign_up()
        tweets = [tweet(edge, ada) for _ in range(3)]
        for tweet_id in tweets:
            run(edge, RETWEET, grace, id=tweet_id)
        pages = {f"{stack.settings['PUBLIC_URL']}/tweets/{tweet_id}" for tweet_id in tweets}
        found: set[str] = set()

        def all_tweets_are_linked() -> bool:
            for mail in mails.of(ada):
                found.update(links_of(mail))
            return pages <= found

        eventually(all_tweets_are_linked, "each tweet is in a mail")
        assert len(found) > len(pages)  # and the links to unsubscribe
        explorer = edge.get("/").content
        for link in found:
            answer = httpx.get(link, trust_env=False)
            assert (answer.status_code, link) == (200, link)
            assert answer.headers["content-type"].startswith("text/html")
            assert (answer.content == explorer) is (link in pages)


class TestOutage:
    @pytest.mark.parametrize("process", ["valkey", "notifier", "mailbox"])
    def test_retweet_succeeds_and_its_mail_arrives_later(
        self,
        edge: httpx.Client,
        opt_in: SignUp,
        sign_up: SignUp,
        mails: RetweetMails,
        stack: RunningStack,
        process: str,
    ) -> None:
        ada, grace = opt_in(), sign_up()
        tweet_id = tweet(edge, ada)
        stack.kill(process)
        try:
            answer = run(edge, RETWEET, grace, id=tweet_id)
            assert answer["retweet"]["retweetCount"] == 1
        finally:
            stack.restart(process)
        assert len(mails.wait_for(ada)) == 1


class TestDeletedAccount:
    def test_deleted_account_loses_its_tweets_and_retweets(
        self, edge: httpx.Client, opt_in: SignUp, sign_up: SignUp
    ) -> None:
        ada, grace = opt_in(), sign_up()
        hers, his = tweet(edge, ada), tweet(edge, grace)
        run(edge, RETWEET, ada, id=his)
        run(edge, RETWEET, grace, id=hers)
        mutation = "mutation ($p: String!) { deleteAccount(password: $p) { __typename } }"
        run(edge, mutation, ada, p=ada.password)

        query = "query ($id: ID!) { tweet(id: $id) { retweetCount } }"
        eventually(
            lambda: run(edge, query, grace, id=hers)["tweet"] is None, "the tweet is deleted"
        )
        eventually(
            lambda: run(edge, query, grace, id=his)["tweet"] == {"retweetCount": 0},
            "the retweet is removed",
        )
