"""Subscriptions that select fields of other subgraphs, through the edge, with real clients."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chassis.topology import stream_path
from client.api import Account, run
from client.documents import CREATE_TWEET
from tests.e2e.subscribers import KINDS, Subscribe, Subscriber, subscriber, without_type_names
from tests.stack import RunningStack, eventually

pytestmark = pytest.mark.needs("tweets", "notifier")

SignUp = Callable[[], Account]
FEED = """subscription Feed($after: String) { tweetFeed(after: $after) {
    cursor
    actor { username createdAt }
    tweet { text author { emailSettings { retweets } } }
} }"""


@pytest.fixture
def subscribe(stack: RunningStack) -> Iterator[Subscribe]:
    """Return the function that starts a client, which ends with the test."""
    with ExitStack() as running:
        yield lambda kind: running.enter_context(subscriber(kind, f"{stack.url}/graphql"))


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest, subscribe: Subscribe) -> Subscriber:
    return subscribe(request.param)


def tweet(edge: httpx.Client, account: Account, text: str) -> None:
    run(edge, CREATE_TWEET, account, text=text)


def listen(client: Subscriber, edge: httpx.Client, account: Account, **variables: Any) -> None:
    """Subscribe, and return when the client has received an item."""
    client.subscribe(account.token, FEED, **variables)

    def is_listening() -> bool:
        tweet(edge, account, f"probe {uuid4()}")
        return any(each["event"] == "next" for each in client.messages)

    eventually(is_listening, f"{client.kind} receives an item")


def item_of(client: Subscriber, text: str) -> dict[str, Any]:
    """Return the item of the tweet with this text."""
    while True:
        message = client.wait_for("next")
        item: dict[str, Any] = without_type_names(message["data"]["tweetFeed"])
        if item["tweet"]["text"] == text:
            return item


class TestPath:
    @pytest.mark.parametrize("kind", KINDS)
    def test_path_of_the_service_serves_its_subscriptions(
        self, stack: RunningStack, edge: httpx.Client, sign_up: SignUp, kind: str
    ) -> None:
        ada = sign_up()
        with subscriber(kind, f"{stack.url}{stream_path('tweets')}") as client:
            listen(client, edge, ada)

    def test_path_of_the_service_refuses_queries(self, edge: httpx.Client, sign_up: SignUp) -> None:
        headers = {
            "authorization": f"Bearer {sign_up().token}",
            "accept": "multipart/mixed;subscriptionSpec=1.0",
        }
        path = stream_path("tweets")
        answer = edge.post(path, json={"query": "{ me { createdAt } }"}, headers=headers)
        assert answer.status_code == 400
        assert "Only subscriptions are served here." in answer.text
        answer = edge.post(path, json={"query": FEED}, headers=headers | {"authorization": ""})
        assert answer.status_code == 401
        assert edge.request("PUT", path).status_code == 405

    def test_preflight_is_answered(self, edge: httpx.Client) -> None:
        answer = edge.options(
            stream_path("tweets"),
            headers={
                "origin": "http://localhost:3000",
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization,content-type",
            },
        )
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"


class TestSelection:
    def test_fields_of_every_subgraph_are_delivered(
        self, client: Subscriber, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        listen(client, edge, ada)
        tweet(edge, ada, "hello")
        item = item_of(client, "hello")
        me = run(edge, "{ me { createdAt } }", ada)["me"]
        assert item["actor"] == {"username": ada.username, **me}
        assert item["tweet"]["author"] == {"emailSettings": {"retweets": False}}
