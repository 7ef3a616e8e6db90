"""Common GraphQL clients, each set up as docs/clients.md shows, through the edge."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from functools import cached_property

import httpx
import pytest
from gql import gql

from client.api import Account, sign_up
from tests.e2e.clients.examples.gql_client import Session, client, follow
from tests.e2e.roll_over import own_tweets, tweet
from tests.e2e.subscribers import CLIENTS, Message, Subscriber, driven, installed_node
from tests.e2e.test_subscriptions import short_lived
from tests.stack import RunningStack

pytestmark = pytest.mark.needs("tweets", "notifier")

EXAMPLES = CLIENTS / "examples"
QUERIES_ONLY = ["graphql-request"]
SUBSCRIBING = [
    *("apollo", "apollo-persisted", "apollo-ws", "urql", "urql-ws"),
    *("relay", "graphql-ws", "graphql-sse"),
]
EMPTY = "Text must contain at least one visible character."
BRIEF = 8  # seconds, in which a subscription has to begin before it sees its token expire


@dataclass
class Tokens:
    """Tokens of one session: an expired access token, and a refresh token."""

    account: Account
    expired: str
    refresh_token: str

    @classmethod
    def of_a_new_session(cls, edge: httpx.Client, stack: RunningStack) -> "Tokens":
        account = sign_up(edge)
        return cls(account, short_lived(stack, account, -10), account.refresh_token)


@dataclass
class Story:
    """One client at work; its output is awaited once."""

    account: Account
    client: Subscriber

    @cached_property
    def played(self) -> Message:
        return self.client.wait_for("played", within=90)

    @cached_property
    def watched(self) -> Message:
        return self.client.wait_for("watched", within=90)


@pytest.fixture(scope="module")
def stories(stack: RunningStack) -> Iterator[dict[str, Story]]:
    """Run all clients at once, so that their tokens expire together."""
    command = [installed_node(), str(CLIENTS / "matrix.mjs")]
    stories = {}
    with httpx.Client(base_url=stack.url, trust_env=False) as edge, ExitStack() as running:
        clients = {
            name: running.enter_context(driven(name, [*command, name, f"{stack.url}/graphql"]))
            for name in (*SUBSCRIBING, *QUERIES_ONLY)
        }
        for name, client in clients.items():
            tokens = Tokens.of_a_new_session(edge, stack)
            client.do("play", accessToken=tokens.expired, refreshToken=tokens.refresh_token)
            stories[name] = Story(tokens.account, client)
        yield stories


@pytest.fixture(scope="module")
def watching(stack: RunningStack, stories: dict[str, Story]) -> None:
    """Every client subscribes with a token that expires soon."""
    assert all(stories[name].played for name in SUBSCRIBING)
    for name in SUBSCRIBING:
        token = short_lived(stack, stories[name].account, BRIEF)
        stories[name].client.do("watch", accessToken=token)


class TestJavaScriptClients:
    @pytest.mark.parametrize("name", [*SUBSCRIBING, *QUERIES_ONLY])
    def test_query_and_mutation_after_a_refresh(self, stories: dict[str, Story], name: str) -> None:
        assert stories[name].played == {
            "event": "played",
            "username": stories[name].account.username,
            "isRefreshed": True,
            "text": "hello 👋",
            "message": EMPTY,
        }

    @pytest.mark.usefixtures("watching")
    @pytest.mark.parametrize("name", SUBSCRIBING)
    def test_subscription_resumes_without_a_gap_after_its_token_expires(
        self, edge: httpx.Client, stories: dict[str, Story], name: str
    ) -> None:
        watched, expected = stories[name].watched, own_tweets(edge, stories[name].account)
        assert watched["ends"][-1] == "EXPIRED"
        assert expected[-3:] == ["missed", "missed too", "live again"]
        assert watched["texts"] == expected[expected.index(watched["texts"][0]) :]


class TestGqlForPython:
    async def test_query_mutation_and_subscription(
        self, edge: httpx.Client, stack: RunningStack
    ) -> None:
        tokens, url = Tokens.of_a_new_session(edge, stack), f"{stack.url}/graphql"
        session = Session(url, tokens.expired, tokens.refresh_token)
        async with client(url, session) as http:
            answer = await http.execute(gql("{ me { username } }"))
            assert answer == {"me": {"username": tokens.account.username}}
            assert session.access_token != tokens.expired
            create = gql('mutation { createTweet(input: {text: "hello 👋"}) { __typename } }')
            assert (await http.execute(create))["createTweet"] == {"__typename": "Tweet"}
        session.access_token = tokens.expired  # the socket is refused, and the token refreshed
        texts = []
        async with aclosing(follow(url, session, "AAAAAAAAAAA")) as feed:
            async for event in feed:
                texts.append(event["tweet"]["text"])
                if len(texts) == 1:
                    tweet(edge, tokens.account, "live")
                else:
                    break
        assert texts == ["hello 👋", "live"]


class TestCurl:
    def test_query_mutation_and_subscription(self, edge: httpx.Client, stack: RunningStack) -> None:
        tokens = Tokens.of_a_new_session(edge, stack)
        settings = {
            "URL": f"{stack.url}/graphql",
            "ACCESS_TOKEN": tokens.expired,
            "REFRESH_TOKEN": tokens.refresh_token,
            "LAST_CURSOR": '"AAAAAAAAAAA"',
            "SECONDS_TO_WATCH": "3",  # it comes at once
        }
        done = subprocess.run(
            ["bash", str(EXAMPLES / "curl.sh")],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert '"reason":"EXPIRED"' in done.stdout
        assert f'{{"data":{{"me":{{"username":"{tokens.account.username}"}}}}}}' in done.stdout
        assert '"createTweet":{"id":' in done.stdout
        [event] = re.findall("event: next\ndata: (.*)", done.stdout)
        assert json.loads(event)["data"]["tweetFeed"]["tweet"] == {"text": "hello 👋"}
