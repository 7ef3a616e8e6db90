"""Two people use a running stack, and every answer is checked."""

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Mapping

from chassis.topology import FILE, declared
from stack.console import Console
from stack.process import StackError

Answer = Mapping[str, object]

SIGN_UP = """
mutation ($username: String!, $email: String!, $password: String!) {
  signUp(input: {username: $username, email: $email, password: $password}) {
    ... on SignedIn { accessToken user { id username } }
    ... on Error { message }
  }
}"""
SIGN_IN = """
mutation ($login: String!, $password: String!) {
  signIn(input: {login: $login, password: $password}) {
    ... on SignedIn { accessToken session { userAgent address } }
    ... on Error { message }
  }
}"""
CREATE_TWEET = """
mutation ($text: String!) {
  createTweet(input: {text: $text}) {
    ... on Tweet { id text author { username } }
    ... on Error { message }
  }
}"""
RETWEET = """
mutation ($id: ID!) {
  retweet(tweetId: $id) {
    ... on Tweet { id retweetOf { text retweetCount author { username } } }
    ... on Error { message }
  }
}"""
MY_TWEETS = """
{ myTweets(first: 10) { edges { node { text retweetCount author { username } } } } }"""
ACROSS = """
{ me { username tweets(first: 2) { edges { node { text author { username } } } } } }"""
OPT_IN = """
mutation { updateEmailSettings(input: {retweets: true}) { retweets } }"""
SIGN_OUT = """
mutation { signOut { sessionIds } }"""
ME = """
{ me { username } }"""


class Person:
    """Somebody with a client, and with a token once signed in."""

    def __init__(self, name: str, url: str, console: Console) -> None:
        self.name = name
        self.username = f"{name}_{secrets.token_hex(4)}"
        self.password = secrets.token_urlsafe(12)
        self.token: str | None = None
        self._url = f"{url.rstrip('/')}/graphql"
        self._console = console

    def send(self, query: str, *, expect: int = 200, **variables: str) -> Answer:
        """Shows the operation and its answer. Raises StackError when the status is another."""
        self._console.write("")
        self._console.step(f"{self.name}{'' if self.token else ', not signed in'}:")
        self._console.write(self._console.paint(query.strip("\n"), "36"))
        if variables:
            shown = {k: "…" if k == "password" else v for k, v in variables.items()}
            self._console.write(self._console.paint(f"with {json.dumps(shown)}", "36"))
        status, answer = self._post({"query": query, "variables": variables})
        text = json.dumps(answer, indent=2, ensure_ascii=False)
        if self.token:
            text = text.replace(self.token, f"{self.token[:12]}…")
        good = status == expect and (status != 200 or "errors" not in answer)
        self._console.write(self._console.paint(f"{status} {text}", "32" if good else "31"))
        if not good:
            raise StackError(f"Expected status {expect} without errors, got {status}")
        return answer

    def _post(self, body: object) -> tuple[int, Answer]:
        headers = {"content-type": "application/json", "user-agent": "chirp-demo"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(  # noqa: S310 - the address is the user's own choice
            self._url, json.dumps(body).encode(), headers
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.load(refusal)
        except OSError as problem:
            raise StackError(
                f"Nothing answers at {self._url} ({problem}). Is `make up` running?"
            ) from None


def run(url: str, console: Console) -> None:
    """Raises StackError when an answer is not the expected one."""
    missing = {"tweets", "notifier"} - declared().services.keys()
    if missing:
        raise StackError(
            f"The demo uses {' and '.join(sorted(missing))}, which {FILE} does not declare. "
            "`make probe` uses what there is."
        )
    ada, grace = Person("ada", url, console), Person("grace", url, console)
    for person in (ada, grace):
        answer = person.send(
            SIGN_UP,
            username=person.username,
            email=f"{person.username}@example.com",
            password=person.password,
        )
        demand(read(answer, "signUp", "user", "username") == person.username, "signed up")
        answer = person.send(SIGN_IN, login=person.username, password=person.password)
        person.token = str(read(answer, "signIn", "accessToken"))

    opted_in = ada.send(OPT_IN)
    demand(read(opted_in, "updateEmailSettings", "retweets") is True, "ada wants mail")
    text = "That brain of mine is more than merely mortal; as time will show."
    tweet = str(read(ada.send(CREATE_TWEET, text=text), "createTweet", "id"))
    retweet = grace.send(RETWEET, id=tweet)
    demand(read(retweet, "retweet", "retweetOf", "text") == text, "retweeted")

    node = read(ada.send(MY_TWEETS), "myTweets", "edges", 0, "node")
    demand(isinstance(node, Mapping) and node["retweetCount"] == 1, "ada's tweet counts a retweet")
    author = read(grace.send(ACROSS), "me", "tweets", "edges", 0, "node", "author", "username")
    demand(author == grace.username, "one query is answered by both subgraphs")

    grace.send(SIGN_OUT)
    refusal = grace.send(ME, expect=401)
    demand("UNAUTHENTICATED" in json.dumps(refusal), "a token is dead after signing out")
    demand(read(ada.send(ME), "me", "username") == ada.username, "ada is still signed in")
    console.write("")
    console.step("All as it should be. Ada's mail is in the mailbox that `make up` has named.")
    console.step(f"By hand, and live: {url} in a browser.")


def read(answer: Answer, *path: str | int) -> object:
    """What lies at the path under `data`; None where the path ends early."""
    value: object = answer.get("data")
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, Mapping) else None
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
    return value


def demand(holds: bool, fact: str) -> None:
    if not holds:
        raise StackError(f"Not as it should be: {fact}")
