"""`make demo`: two users of a running stack, with every operation and its answer shown."""

import json
import secrets
from typing import Any

import httpx

from chassis.topology import FILE, declared
from client.api import Account, ApiError, Data, connect, expect, run, send, sign_in, sign_up
from client.documents import CREATE_TWEET, MAIL_ON_RETWEETS, ME, MY_TWEETS, RETWEET, SIGN_OUT
from client.mailbox import Mailbox, verify_address
from stack.addresses import for_browser
from stack.console import Console
from stack.process import StackError

USER_AND_TWEETS = """
{ me { username tweets(first: 2) { edges { node { text author { username } } } } } }"""

_TEXT = "That brain of mine is more than merely mortal; as time will show."
_MAILBOX_SECONDS = 120.0
"""How long the first `make up` may take to install the mailbox."""

_SHOWN = {"password": 0, "accessToken": 12, "refreshToken": 12, "deviceToken": 12}
"""How many characters of a secret are shown, by the name of its field."""


class DemoUser:
    """A user whose operations are shown on the console."""

    def __init__(self, name: str, url: str, console: Console) -> None:
        self.name = name
        self.account: Account | None = None
        self._console = console
        self._http = connect(url)
        self._http.headers["user-agent"] = "chirp-demo"
        self._http.event_hooks = {"response": [self._show]}

    @property
    def username(self) -> str:
        return self.account.username if self.account else ""

    def sign_up(self) -> None:
        made = sign_up(self._http, f"{self.name}_{secrets.token_hex(4)}")
        self.account = sign_in(self._http, made.username, made.password)

    def verify_address(self, mailbox: Mailbox) -> None:
        """Verify the address of the account, which `sign_up` has made."""
        assert self.account  # noqa: S101
        if not mailbox.is_up:
            self._console.write("")
            self._console.step("Waiting for the mailbox, which `make up` starts last")
            mailbox.wait_until_up(_MAILBOX_SECONDS)
        verify_address(self._http, self.account, mailbox)

    def run(self, query: str, **variables: str) -> Data:
        return run(self._http, query, self.account, **variables)

    def status(self, query: str) -> int:
        return send(self._http, query, self.account).status_code

    def close(self) -> None:
        self._http.close()

    def _show(self, answer: httpx.Response) -> None:
        sent = json.loads(answer.request.content)
        anonymous = "" if "authorization" in answer.request.headers else ", not signed in"
        self._console.write("")
        self._console.step(f"{self.name}{anonymous}:")
        self._console.write(self._console.paint(sent["query"].strip("\n"), "36"))
        if sent["variables"]:
            shown = json.dumps(_masked(sent["variables"]), ensure_ascii=False)
            self._console.write(self._console.paint(f"with {shown}", "36"))
        answer.read()
        try:
            text = json.dumps(_masked(answer.json()), indent=2, ensure_ascii=False)
        except ValueError:
            text = answer.text
        colour = "32" if answer.is_success else "31"
        self._console.write(self._console.paint(f"{answer.status_code} {text}", colour))


def demonstrate(url: str, mailbox_url: str, console: Console) -> None:
    """Take both users through the product. Raises StackError when an answer is not as expected.

    `mailbox_url` is the address of the mailbox that takes the mails of the stack.
    """
    missing = {"tweets", "notifier"} - declared().services.keys()
    if missing:
        raise StackError(
            f"The demo uses {' and '.join(sorted(missing))}, which {FILE} does not declare. "
            "`make probe` uses the services that are declared."
        )
    ada, grace = DemoUser("ada", url, console), DemoUser("grace", url, console)
    try:
        with connect(mailbox_url) as mailbox:
            _use(ada, grace, Mailbox(mailbox))
    except ApiError as error:
        raise StackError(f"Unexpected answer: {error.problem}") from None
    except TimeoutError:
        raise StackError(
            f"The mail that verifies an address is not in {mailbox_url}, or nothing answers there."
        ) from None
    except httpx.HTTPError as error:
        raise StackError(
            f"No answer from {_host(error)} ({error}). Is `make up` running?"
        ) from None
    finally:
        ada.close()
        grace.close()
    console.write("")
    console.step(
        f"Every answer is as expected. The mails to Ada are in {for_browser(mailbox_url)}."
    )
    console.step(f"To try it by hand, open {for_browser(url)} in a browser.")


def _use(ada: DemoUser, grace: DemoUser, mailbox: Mailbox) -> None:
    for user in (ada, grace):
        user.sign_up()
    ada.verify_address(mailbox)
    opted_in = ada.run(MAIL_ON_RETWEETS)["updateEmailSettings"]
    _demand(opted_in["retweets"] is True, "Ada gets mail about retweets")
    tweet = ada.run(CREATE_TWEET, text=_TEXT)["createTweet"]
    expect("Tweet", tweet)
    retweet = grace.run(RETWEET, id=tweet["id"])["retweet"]
    expect("Tweet", retweet)
    _demand(retweet["retweetOf"]["id"] == tweet["id"], "Grace has retweeted Ada's tweet")

    (listed,) = ada.run(MY_TWEETS)["myTweets"]["edges"]
    _demand(listed["node"]["retweetCount"] == 1, "Ada's tweet counts the retweet")
    (first,) = grace.run(USER_AND_TWEETS)["me"]["tweets"]["edges"]
    author = first["node"]["author"]["username"]
    _demand(author == grace.username, "one query is answered by both subgraphs")

    grace.run(SIGN_OUT)
    _demand(grace.status(ME) == 401, "Grace's token is refused after signing out")
    _demand(ada.run(ME)["me"]["username"] == ada.username, "Ada is still signed in")


def _host(error: httpx.HTTPError) -> str:
    return f"{error.request.url.scheme}://{error.request.url.netloc.decode()}"


def _masked(value: Any) -> Any:
    """Return the JSON value with its secrets shortened."""
    if isinstance(value, dict):
        return {
            name: f"{inner[: _SHOWN[name]]}…" if name in _SHOWN else _masked(inner)
            for name, inner in value.items()
        }
    return [_masked(inner) for inner in value] if isinstance(value, list) else value


def _demand(holds: bool, fact: str) -> None:
    if not holds:
        raise StackError(f"This does not hold: {fact}.")
