"""The live feed through the edge, with the clients that people have."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import psutil
import pytest

from client.api import Account, run, sign_in
from client.documents import CREATE_TWEET, REFRESH_SESSION, RETWEET, SIGN_IN
from stack.console import Console
from stack.process import Process, answers
from stack.services import settings_of
from subgraphs.auth.keys import KeyRing
from tests.e2e.subscribers import KINDS, Subscribe, Subscriber, driven, subscriber
from tests.stack import RunningStack, eventually

pytestmark = pytest.mark.needs("tweets", "notifier")

SignUp = Callable[[], Account]
CREATE_ONCE = """mutation ($text: String!, $key: String!) {
    createTweet(input: {text: $text, idempotencyKey: $key}) {
        ... on Tweet { id } ... on Error { message }
} }"""
MINE = """query ($after: String) { myTweets(first: 100, after: $after) {
    edges { node { text } } pageInfo { hasNextPage endCursor }
} }"""


@pytest.fixture
def subscribe(stack: RunningStack) -> Iterator[Subscribe]:
    """Starts a client; it ends with the test."""
    with ExitStack() as running:
        yield lambda kind: running.enter_context(subscriber(kind, f"{stack.url}/graphql"))


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest, subscribe: Subscribe) -> Subscriber:
    return subscribe(request.param)


def tweet(edge: httpx.Client, account: Account, text: str) -> str:
    tweet_id: str = run(edge, CREATE_TWEET, account, text=text)["createTweet"]["id"]
    return tweet_id


def listen(client: Subscriber, edge: httpx.Client, account: Account, **variables: Any) -> None:
    """Subscribes, and returns when the client is told of what happens."""
    client.subscribe(account.token, **variables)

    def is_told() -> bool:
        tweet(edge, account, f"is anybody there? {uuid4()}")
        return bool(client.texts)

    eventually(is_told, f"{client.kind} is told of a tweet")


def own_tweets(edge: httpx.Client, account: Account) -> list[str]:
    """The oracle: the texts of all one's tweets, oldest first."""
    texts: list[str] = []
    after = None
    while True:
        page = run(edge, MINE, account, after=after)["myTweets"]
        texts += [edge_["node"]["text"] for edge_ in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            return texts[::-1]
        after = page["pageInfo"]["endCursor"]


def short_lived(stack: RunningStack, account: Account, seconds: float) -> str:
    """A token of the same session that expires soon."""
    claims = jwt.decode(account.token, options={"verify_signature": False})
    claims["exp"] = int((datetime.now(UTC) + timedelta(seconds=seconds)).timestamp())
    key = KeyRing.parse(stack.settings["AUTH_SIGNING_KEYS"]).signing
    return jwt.encode(claims, key.private, "ES256", headers={"kid": key.id})


class TestSubscriber:
    def test_output_is_read_to_its_end_before_the_pipe_closes(self) -> None:
        with driven(
            "sh", ["sh", "-c", """while :; do echo '{"event": "ready"}'; done"""]
        ) as client:
            assert client.is_read
        assert not client.is_read


class TestFeed:
    def test_it_tells_of_own_tweets_and_of_others_retweets(
        self, client: Subscriber, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada, grace = sign_up(), sign_up()
        listen(client, edge, ada)
        client.item()
        tweet(edge, grace, "not for ada")
        tweet_id = tweet(edge, ada, "hello 👋")
        run(edge, RETWEET, grace, id=tweet_id)

        told = client.item()
        while told["tweet"]["text"] != "hello 👋":
            told = client.item()
        assert (told["kind"], told["actor"]) == (
            "TWEETED",
            {"id": ada.id, "username": ada.username},
        )
        told = client.item()
        assert told["kind"] == "RETWEETED"
        assert told["actor"] == {"id": grace.id, "username": grace.username}
        assert told["tweet"]["id"] == tweet_id
        assert told["tweet"]["author"] == {"username": ada.username}
        assert told["tweet"]["retweetCount"] == 1
        assert "not for ada" not in client.texts

    def test_after_a_cursor_comes_what_was_missed_and_then_what_is_new(
        self, client: Subscriber, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        listen(client, edge, ada)
        cursor = client.item()["cursor"]
        client.do("stop", id="1")
        seen = len(client.texts)
        expected = [f"missed {number}" for number in range(30)]
        for text in expected:
            tweet(edge, ada, text)
        client.subscribe(ada.token, id_="2", after=cursor)
        tweet(edge, ada, "and live")
        eventually(lambda: "and live" in client.texts, "it goes live")
        missed = [text for text in client.texts[seen:] if not text.startswith("is anybody")]
        assert missed == [*expected, "and live"]

    def test_every_device_is_told(
        self, subscribe: Subscribe, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        devices = [subscribe(kind) for kind in KINDS]
        for device in devices:
            listen(device, edge, ada)
        tweet(edge, ada, "everywhere")
        for device in devices:
            eventually(lambda d=device: "everywhere" in d.texts, device.kind)  # type: ignore[misc]
            assert device.texts.count("everywhere") == 1

    def test_what_is_wrong_with_it_is_told(
        self, client: Subscriber, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        client.subscribe(ada.token, "subscription { nothing }")
        told = client.wait_for("next" if client.kind == "graphql-sse" else "error")
        assert "GRAPHQL_VALIDATION_FAILED" in str(told)
        client.subscribe(ada.token, 'subscription { tweetFeed(after: "x") { cursor } }', id_="2")
        told = client.wait_for("next" if client.kind == "graphql-sse" else "error")
        assert "BAD_USER_INPUT" in str(told)


class TestIdentity:
    def test_without_a_token_it_is_refused(self, client: Subscriber) -> None:
        client.subscribe(None)
        told = client.wait_for("error")
        if client.kind == "graphql-ws":
            assert (told["code"], told["reason"]) == (4401, "Sign in first.")
        else:
            assert told["status"] == 401
            assert told["body"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"

    def test_a_wrong_token_is_refused(self, client: Subscriber) -> None:
        client.subscribe("nonsense")
        if client.kind == "graphql-ws":
            told = client.wait_for("closed")
            assert (told["code"], told["reason"]) == (4401, "The access token is not valid.")
        else:
            told = client.wait_for("error")
            assert told["status"] == 401
            assert told["body"]["errors"][0]["extensions"]["reason"] == "INVALID"

    def test_sign_out_ends_it(
        self, client: Subscriber, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        listen(client, edge, ada)
        other = run(edge, SIGN_IN, input={"login": ada.username, "password": ada.password})
        session = other["signIn"]["session"]["id"]
        run(edge, "mutation ($id: ID!) { revokeSession(id: $id) { __typename } }", ada, id=session)
        tweet(edge, ada, "another session has ended")
        eventually(lambda: "another session has ended" in client.texts, "this one goes on")
        run(edge, "mutation { signOut { sessionIds } }", ada)
        if client.kind == "graphql-ws":
            told = client.wait_for("closed")
            assert (told["code"], told["reason"]) == (4403, "The session has ended.")
            assert client.wait_for("error")["code"] == 4403
        elif client.kind == "apollo":
            told = client.wait_for("error")
            assert told["fatal"]
            assert (told["message"], told["code"]) == ("The session has ended.", "FORBIDDEN")
        else:
            while "errors" not in (told := client.wait_for("next")):
                pass
            assert told["errors"] == [
                {
                    "message": "The session has ended.",
                    "extensions": {"code": "FORBIDDEN", "reason": "SESSION_ENDED"},
                }
            ]
            client.wait_for("complete")

    def test_when_the_token_expires_a_fresh_one_resumes(
        self, client: Subscriber, edge: httpx.Client, stack: RunningStack, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        own = sign_in(edge, ada.username, ada.password)
        listen(client, edge, replace(own, token=short_lived(stack, own, 5)))
        told = client.wait_for("expired")
        if client.kind == "graphql-ws":
            assert told["reason"] == "The access token has expired."
        tweet(edge, ada, "between")
        fresh = run(edge, REFRESH_SESSION, token=own.refresh_token)["refreshSession"]
        client.do("token", token=fresh["accessToken"])
        tweet(edge, ada, "after")
        eventually(lambda: "after" in client.texts, "it goes on")
        expected = own_tweets(edge, ada)
        assert client.texts == expected[expected.index(client.texts[0]) :]


@pytest.fixture
def second(stack: RunningStack, tmp_path: Path) -> Iterator[Process]:
    """Another tweets process, which serves subscriptions beside the first."""
    port = second_port(stack)
    settings = {**os.environ, **settings_of("tweets", stack.settings), "TWEETS_PORT": str(port)}
    with (tmp_path / "log").open("w") as log:
        process = Process(
            "tweets-2",
            [sys.executable, "-m", "subgraphs.tweets", "serve"],
            console=Console(log),
            environment=settings,
            ready=answers(f"http://127.0.0.1:{port}/readyz"),
        )
        process.start()
        try:
            process.wait_until_ready(threading.Event())
            yield process
        finally:
            process.stop()


def second_port(stack: RunningStack) -> int:
    return int(stack.settings["TWEETS_ENDPOINTS"].rpartition(":")[2])


def connections(port: int) -> int:
    """How many are open to this port of this machine."""
    return sum(
        each.status == psutil.CONN_ESTABLISHED and each.laddr[1:] == (port,)
        for each in psutil.net_connections("tcp")
    )


class TestTwoProcesses:
    def test_each_event_comes_once_to_each_subscriber_and_one_process_may_die(
        self,
        subscribe: Subscribe,
        edge: httpx.Client,
        stack: RunningStack,
        sign_up: SignUp,
        second: Process,
    ) -> None:
        ada, clients = sign_up(), list[Subscriber]()
        while len(clients) < 4 or connections(second_port(stack)) < 3:
            # The edge asks after its health on one connection, and each stream is another.
            assert len(clients) < 12, "the edge leads nobody to the second process"
            clients.append(subscribe("graphql-ws"))
            listen(clients[-1], edge, ada)
        last = f"last {uuid4()}"
        for text in ("while both are there", "soon there will be one"):
            tweet(edge, ada, text)
        for client in clients:
            eventually(lambda c=client: text in c.texts, "it is told")  # type: ignore[misc]
        second.kill()
        tweet(edge, ada, last)
        for client in clients:
            eventually(lambda c=client: last in c.texts, "it is told by the other")  # type: ignore[misc]
        cut = sum(any(told["event"] == "closed" for told in c.told) for c in clients)
        assert 0 < cut < len(clients)
        expected = own_tweets(edge, ada)
        for client in clients:
            assert client.texts == expected[expected.index(client.texts[0]) :]


class TestNothingIsLost:
    """Whatever is killed while events flow: each event comes once, and in order."""

    @pytest.mark.parametrize("victim", ["tweets", "tweets, asked to stop", "edge", "valkey"])
    def test_when_it_is_killed(
        self,
        subscribe: Subscribe,
        edge: httpx.Client,
        stack: RunningStack,
        sign_up: SignUp,
        victim: str,
    ) -> None:
        name, _, asked = victim.partition(",")
        ada = sign_up()
        clients = [subscribe(kind) for kind in KINDS]
        for client in clients:
            listen(client, edge, ada)
        stop = threading.Event()
        with ThreadPoolExecutor() as pool:
            writing = pool.submit(keep_tweeting, stack, ada, stop)
            try:
                time.sleep(0.5)
                if not asked:
                    stack.kill(name)
                    time.sleep(0.5)
                stack.restart(name)
                time.sleep(0.5)
            finally:
                stop.set()
            last = writing.result()
        expected = own_tweets(edge, ada)
        assert expected[-1] == last
        for client in clients:
            eventually(lambda c=client: last in c.texts, f"{client.kind} catches up")  # type: ignore[misc]
            assert client.texts == expected[expected.index(client.texts[0]) :]

    def test_a_client_that_does_not_read_gets_everything_when_it_does(
        self, client: Subscriber, subscribe: Subscribe, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        other = subscribe("graphql-ws")
        listen(client, edge, ada)
        listen(other, edge, ada)
        client.do("freeze", seconds=3)
        for number in range(100):
            tweet(edge, ada, f"{number}")
        eventually(lambda: "99" in other.texts, "others are told meanwhile")
        eventually(lambda: "99" in client.texts, "it catches up")
        expected = own_tweets(edge, ada)
        assert client.texts == expected[expected.index(client.texts[0]) :]


def keep_tweeting(stack: RunningStack, account: Account, stop: threading.Event) -> str:
    """Tweets until told to stop; each tweet once, whatever is away meanwhile. Gives the last."""
    number = 0
    with httpx.Client(base_url=stack.url, timeout=5, trust_env=False) as client:
        while True:
            text, over = f"tweet {number}", stop.is_set()
            eventually(lambda text=text: is_written(client, account, text), "it is written")  # type: ignore[misc]
            if over:
                return text
            number += 1
            time.sleep(0.01)


def is_written(client: httpx.Client, account: Account, text: str) -> bool:
    try:
        run(client, CREATE_ONCE, account, text=text, key=text)
    except (httpx.HTTPError, AssertionError, ValueError):
        return False
    return True
