"""The live feed through the edge, with Apollo Client, graphql-ws and graphql-sse."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import jwt
import psutil
import pytest

from client.api import Account, run, sign_in
from client.documents import REFRESH_SESSION, RETWEET, SIGN_IN, SIGN_OUT
from stack.console import Console
from stack.process import HttpProbe, Process
from stack.services import settings_of
from tests.e2e.roll_over import followed, listen, own_tweets, tweet
from tests.e2e.subscribers import KINDS, Subscribe, Subscriber, driven, subscriber
from tests.stack import ON_ONE_ROUTER, RunningStack, eventually

pytestmark = pytest.mark.needs("tweets", "notifier")

SignUp = Callable[[], Account]


def short_lived(stack: RunningStack, account: Account, seconds: float) -> str:
    """Return a token of the same session that expires after `seconds`."""
    claims = jwt.decode(account.token, options={"verify_signature": False})
    claims["exp"] = int((datetime.now(UTC) + timedelta(seconds=seconds)).timestamp())
    key = stack.signing_keys.signing
    return jwt.encode(claims, key.private, "ES256", headers={"kid": key.id})


class TestSubscriber:
    def test_output_is_read_to_its_end_before_the_pipe_closes(self) -> None:
        with driven(
            "sh", ["sh", "-c", """while :; do echo '{"event": "ready"}'; done"""]
        ) as client:
            assert client.is_read
        assert not client.is_read


class TestFeed:
    def test_own_tweets_and_retweets_by_others_are_delivered(
        self, client: Subscriber, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada, grace = sign_up(), sign_up()
        listen(client, edge, ada)
        client.item()
        tweet(edge, grace, "not for ada")
        tweet_id = tweet(edge, ada, "hello 👋")
        run(edge, RETWEET, grace, id=tweet_id)

        message = client.item()
        while message["tweet"]["text"] != "hello 👋":
            message = client.item()
        assert (message["kind"], message["actor"]) == (
            "TWEETED",
            {"id": ada.id, "username": ada.username},
        )
        message = client.item()
        assert message["kind"] == "RETWEETED"
        assert message["actor"] == {"id": grace.id, "username": grace.username}
        assert message["tweet"]["id"] == tweet_id
        assert message["tweet"]["author"] == {"username": ada.username}
        assert message["tweet"]["retweetCount"] == 1
        assert "not for ada" not in client.texts

    def test_cursor_delivers_missed_items_and_then_live_ones(
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
        missed = [text for text in client.texts[seen:] if not text.startswith("probe")]
        assert missed == [*expected, "and live"]

    def test_every_device_gets_each_item_once(
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

    def test_invalid_subscription_is_an_error(
        self, client: Subscriber, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        client.subscribe(ada.token, "subscription { nothing }")
        message = client.wait_for("next" if client.kind == "graphql-sse" else "error")
        assert "GRAPHQL_VALIDATION_FAILED" in str(message)
        client.subscribe(ada.token, 'subscription { tweetFeed(after: "x") { cursor } }', id_="2")
        message = client.wait_for("next" if client.kind == "graphql-sse" else "error")
        assert "BAD_USER_INPUT" in str(message)


class TestIdentity:
    def test_subscription_without_a_token_is_refused(self, client: Subscriber) -> None:
        client.subscribe(None)
        message = client.wait_for("error")
        if client.kind == "graphql-ws":
            assert (message["code"], message["reason"]) == (4401, "Sign in first.")
        else:
            assert message["status"] == 401
            assert message["body"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"

    def test_subscription_with_an_invalid_token_is_refused(self, client: Subscriber) -> None:
        client.subscribe("nonsense")
        if client.kind == "graphql-ws":
            message = client.wait_for("closed")
            assert (message["code"], message["reason"]) == (4401, "The access token is not valid.")
        else:
            message = client.wait_for("error")
            assert message["status"] == 401
            assert message["body"]["errors"][0]["extensions"]["reason"] == "INVALID"

    def test_sign_out_ends_the_subscription(
        self, client: Subscriber, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        listen(client, edge, ada)
        other = run(edge, SIGN_IN, input={"login": ada.username, "password": ada.password})
        session = other["signIn"]["session"]["id"]
        run(edge, "mutation ($id: ID!) { revokeSession(id: $id) { __typename } }", ada, id=session)
        tweet(edge, ada, "another session has ended")
        eventually(lambda: "another session has ended" in client.texts, "this one continues")
        run(edge, SIGN_OUT, ada)
        client.expect_end_of_session()

    def test_subscription_resumes_with_a_new_token_after_expiry(
        self, client: Subscriber, edge: httpx.Client, stack: RunningStack, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        own = sign_in(edge, ada.username, ada.password)
        listen(client, edge, replace(own, token=short_lived(stack, own, 5)))
        message = client.wait_for("expired")
        if client.kind == "graphql-ws":
            assert (message["code"], message["reason"]) == (4403, "The access token has expired.")
        tweet(edge, ada, "between")
        fresh = run(edge, REFRESH_SESSION, token=own.refresh_token)["refreshSession"]
        client.do("token", token=fresh["accessToken"])
        tweet(edge, ada, "after")
        eventually(lambda: "after" in client.texts, "it continues")
        expected = own_tweets(edge, ada)
        assert client.texts == expected[expected.index(client.texts[0]) :]


class TestStockClient:
    """graphql-ws without any setting but `connectionParams`."""

    @pytest.fixture
    def stock(self, stack: RunningStack) -> Iterator[Subscriber]:
        with subscriber("graphql-ws", f"{stack.url}/graphql", "stock") as client:
            yield client

    def test_expired_token_is_replaced_and_the_subscription_goes_on(
        self, stock: Subscriber, edge: httpx.Client, stack: RunningStack, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        listen(stock, edge, replace(ada, token=short_lived(stack, ada, 5)))
        stock.wait_for("expired")
        tweet(edge, ada, "between")
        stock.do("token", token=ada.token)
        eventually(lambda: "between" in stock.texts, "it continues")

    def test_ended_session_is_final(
        self, stock: Subscriber, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        listen(stock, edge, ada)
        run(edge, "mutation { signOut { sessionIds } }", ada)
        assert stock.wait_for("closed")["code"] == 4401
        assert stock.wait_for("error")["code"] == 4401


@pytest.fixture
def second(stack: RunningStack, tmp_path: Path) -> Iterator[Process]:
    """A second tweets process, which also serves subscriptions."""
    port = second_port(stack)
    settings = {**os.environ, **settings_of("tweets", stack.settings), "TWEETS_PORT": str(port)}
    with (tmp_path / "log").open("w") as log:
        process = Process(
            "tweets-2",
            [sys.executable, "-m", "subgraphs.tweets", "serve"],
            console=Console(log),
            environment=settings,
            ready=HttpProbe(f"http://127.0.0.1:{port}/readyz"),
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
    """Return the number of open connections to a port of this machine."""
    return sum(
        each.status == psutil.CONN_ESTABLISHED and each.laddr[1:] == (port,)
        for each in psutil.net_connections("tcp")
    )


# The edge leads a subscription past the router: TestFeed and TestIdentity run on both, because they
# compare it with what queries and mutations return; what a killed process does to it runs once.
@ON_ONE_ROUTER
class TestTwoProcesses:
    def test_items_are_delivered_once_when_one_process_dies(
        self,
        subscribe: Subscribe,
        edge: httpx.Client,
        stack: RunningStack,
        sign_up: SignUp,
        second: Process,
    ) -> None:
        ada, clients = sign_up(), list[Subscriber]()
        while len(clients) < 4 or connections(second_port(stack)) < 3:
            # The edge checks the process's health on one connection, and each stream is another.
            assert len(clients) < 12, "the edge routes no stream to the second process"
            clients.append(subscribe("graphql-ws"))
            listen(clients[-1], edge, ada)
        last = f"last {uuid4()}"
        for text in ("with both processes", "before the kill"):
            tweet(edge, ada, text)
        for client in clients:
            eventually(lambda c=client: text in c.texts, "it receives the tweet")  # type: ignore[misc]
        second.kill()
        tweet(edge, ada, last)
        for client in clients:
            eventually(lambda c=client: last in c.texts, "it receives it from the other")  # type: ignore[misc]
        closed = sum(any(m["event"] == "closed" for m in c.messages) for c in clients)
        assert 0 < closed < len(clients)
        expected = own_tweets(edge, ada)
        for client in clients:
            assert client.texts == expected[expected.index(client.texts[0]) :]


@ON_ONE_ROUTER
class TestOutage:
    """Each item is delivered once and in order, whatever is killed meanwhile."""

    @pytest.mark.parametrize("victim", ["tweets", "tweets, asked to stop", "edge", "valkey"])
    def test_no_item_is_lost_or_repeated(self, stack: RunningStack, victim: str) -> None:
        name, _, asked = victim.partition(",")
        with followed(stack.url):
            time.sleep(0.5)
            if not asked:
                stack.kill(name)
                time.sleep(0.5)
            stack.restart(name)
            time.sleep(0.5)

    def test_client_that_misses_an_item_is_found(self, stack: RunningStack) -> None:
        with (
            pytest.raises(AssertionError, match="apollo catches up"),
            followed(stack.url, within=1) as result,
        ):
            result.clients[KINDS.index("apollo")].do("stop", id="1")

    def test_slow_client_gets_every_item(
        self, client: Subscriber, subscribe: Subscribe, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        other = subscribe("graphql-ws")
        listen(client, edge, ada)
        listen(other, edge, ada)
        client.do("freeze", seconds=3)
        for number in range(100):
            tweet(edge, ada, f"{number}")
        eventually(lambda: "99" in other.texts, "others receive the items meanwhile")
        eventually(lambda: "99" in client.texts, "it catches up")
        expected = own_tweets(edge, ada)
        assert client.texts == expected[expected.index(client.texts[0]) :]
