"""Subscriptions that select fields of other subgraphs, through the edge, with real clients."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest

from chassis.principal import Principal
from chassis.topology import stream_path
from client.api import Account, run
from client.documents import CREATE_TWEET, MAIL_ON_RETWEETS, SIGN_IN, SIGN_OUT
from tests.e2e.roll_over import listen, tweet
from tests.e2e.subscribers import KINDS, Subscribe, Subscriber, subscriber, without_type_names
from tests.stack import ON_ONE_ROUTER, RunningStack, eventually

pytestmark = pytest.mark.needs("tweets", "notifier")

SignUp = Callable[[], Account]
FEED = """subscription Feed($after: String) { tweetFeed(after: $after) {
    cursor
    actor { username createdAt }
    tweet { text author { emailSettings { retweets } } }
} }"""


def catch_up(client: Subscriber, edge: httpx.Client, account: Account) -> None:
    """Subscribe, and return when the client has received every item so far."""
    listen(client, edge, account, FEED)
    tweet(edge, account, "probe, the last")
    item_of(client, "probe, the last")


def item_of(client: Subscriber, text: str) -> dict[str, Any]:
    """Return the item of the tweet with this text, which has no error."""
    item, errors = event_of(client, text)
    assert errors == []
    return item


def event_of(client: Subscriber, text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the item of the tweet with this text, and the errors beside it."""
    while True:
        message = client.wait_for("next")
        item = without_type_names((message["data"] or {}).get("tweetFeed"))
        if item and item["tweet"]["text"] == text:
            return item, message.get("errors", [])


def texts(client: Subscriber) -> list[str]:
    """Return the texts of the items so far, in order, without those of probes."""
    return [text for text in client.texts if not text.startswith("probe")]


def directly(stack: RunningStack, account: Account, document: str, **variables: Any) -> Any:
    """Execute a document in tweets as the router does, for a test in which the router is away."""
    claims = jwt.decode(account.token, options={"verify_signature": False})
    caller = Principal(
        user_id=UUID(claims["sub"]),
        username=account.username,
        scopes=frozenset(claims["scopes"]),
        session_id=UUID(claims["sid"]),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )
    headers = {"x-router-secret": stack.settings["ROUTER_SECRET"], **caller.headers()}
    body = {"query": document, "variables": variables}
    answer = httpx.post(f"{stack.tweets_url}/graphql", json=body, headers=headers, trust_env=False)
    assert "errors" not in answer.json(), answer.text
    return answer.json()["data"]


class TestPath:
    @pytest.mark.parametrize("kind", KINDS)
    def test_path_of_the_service_serves_its_subscriptions(
        self, stack: RunningStack, edge: httpx.Client, sign_up: SignUp, kind: str
    ) -> None:
        ada = sign_up()
        with subscriber(kind, f"{stack.url}{stream_path('tweets')}") as client:
            catch_up(client, edge, ada)

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
        catch_up(client, edge, ada)
        tweet(edge, ada, "hello")
        item = item_of(client, "hello")
        me = run(edge, "{ me { createdAt } }", ada)["me"]
        assert item["actor"] == {"username": ada.username, **me}
        assert item["tweet"]["author"] == {"emailSettings": {"retweets": False}}

    def test_field_that_changes_between_events_shows_its_new_value(
        self, client: Subscriber, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        catch_up(client, edge, ada)
        for wanted in (True, False):
            document = MAIL_ON_RETWEETS.replace("true", str(wanted).lower())
            run(edge, document, ada)
            tweet(edge, ada, f"mails: {wanted}")
            item = item_of(client, f"mails: {wanted}")
            assert item["tweet"]["author"] == {"emailSettings": {"retweets": wanted}}

    def test_variables_fragments_and_directives_work(
        self, client: Subscriber, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        query = """subscription Feed($after: String, $tweets: Int!, $cursor: Boolean!) {
            tweetFeed(after: $after) { ...Item }
        }
        fragment Item on TweetFeedItem {
            cursor
            kind @include(if: $cursor)
            actor { ...Person id @skip(if: true) }
            tweet { text }
        }
        fragment Person on User {
            since: createdAt
            tweets(first: $tweets) { edges { node { text } } }
        }
        """
        after = run(edge, "{ tweetFeedCursor }", ada)["tweetFeedCursor"]
        tweet(edge, ada, "one")
        tweet(edge, ada, "two")
        client.subscribe(ada.token, query, after=after, tweets=1, cursor=False)
        item = item_of(client, "two")
        assert set(item) == {"cursor", "actor", "tweet"}
        assert set(item["actor"]) == {"since", "tweets"}
        assert item["actor"]["tweets"] == {"edges": [{"node": {"text": "two"}}]}

    def test_missing_scope_is_an_error_with_a_path(
        self, client: Subscriber, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        credentials = {"login": ada.username, "password": ada.password}
        session = run(edge, SIGN_IN, input={**credentials, "scopes": ["tweets:read"]})["signIn"]
        listen(client, edge, ada, FEED, token=session["accessToken"])
        tweet(edge, ada, "hello")
        item, [error] = event_of(client, "hello")
        assert item["tweet"]["author"] == {"emailSettings": None}
        assert error["path"] == ["tweetFeed", "tweet", "author", "emailSettings"]
        assert error["extensions"]["code"] == "FORBIDDEN"


class TestEnd:
    def test_sign_out_ends_the_subscription(
        self, client: Subscriber, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        catch_up(client, edge, ada)
        run(edge, SIGN_OUT, ada)
        client.expect_end_of_session()


@ON_ONE_ROUTER
class TestOutage:
    def test_subgraph_that_is_away_is_an_error_with_a_path(
        self, client: Subscriber, edge: httpx.Client, stack: RunningStack, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        catch_up(client, edge, ada)
        stack.kill("notifier")
        try:
            tweet(edge, ada, "during")
            item, errors = event_of(client, "during")
        finally:
            stack.restart("notifier")
        assert item["actor"]["createdAt"]
        assert item["tweet"]["author"] == {"emailSettings": None}
        assert errors
        for error in errors:
            assert error["path"][0] == "tweetFeed"
        assert errors[0]["extensions"]["code"] == "SUBREQUEST_HTTP_ERROR"
        tweet(edge, ada, "after")
        assert item_of(client, "after")["tweet"]["author"] == {"emailSettings": {"retweets": False}}

    def test_item_that_is_lost_to_an_outage_can_be_fetched_later(
        self, client: Subscriber, edge: httpx.Client, stack: RunningStack, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        catch_up(client, edge, ada)
        stack.kill("auth")
        try:
            directly(stack, ada, CREATE_TWEET, text="during")
            while (message := client.wait_for("next"))["data"]:
                pass
        finally:
            stack.restart("auth")
        error = message["errors"][0]
        assert error["path"][0] == "tweetFeed"
        tweet(edge, ada, "after")
        assert item_of(client, "after")["actor"]["createdAt"]
        query = """query ($cursor: String!) {
            tweetFeedItem(cursor: $cursor) { actor { createdAt } tweet { text } }
        }"""
        found = run(edge, query, ada, **error["extensions"]["event"])["tweetFeedItem"]
        assert found["tweet"] == {"text": "during"}
        assert found["actor"]["createdAt"]

    def test_nothing_is_lost_while_the_router_is_away(
        self,
        client: Subscriber,
        subscribe: Subscribe,
        edge: httpx.Client,
        stack: RunningStack,
        sign_up: SignUp,
    ) -> None:
        ada = sign_up()
        local = subscribe("graphql-ws")
        local.subscribe(ada.token, "subscription { tweetFeed { cursor tweet { text } } }")
        catch_up(client, edge, ada)
        stack.kill("router")
        try:
            ids = [
                directly(stack, ada, CREATE_TWEET, text=f"tweet {number}")["createTweet"]["id"]
                for number in range(5)
            ]
            eventually(lambda: "tweet 4" in texts(local), "others receive the items meanwhile")
            assert texts(client) == []
            delete = "mutation ($id: ID!) { deleteTweet(id: $id) { __typename } }"
            directly(stack, ada, delete, id=ids[2])
        finally:
            stack.restart("router")
        eventually(lambda: "tweet 4" in texts(client), "it goes on")
        # In order, without the deleted one, and on the same connection.
        assert texts(client) == ["tweet 0", "tweet 1", "tweet 3", "tweet 4"]
        assert not [each for each in client.messages if each["event"] in {"closed", "complete"}]
