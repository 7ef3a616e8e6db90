"""The clients that people use, each set up as docs/clients.md shows, through the edge."""

import io
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from gql import gql

from deploy.laptop.commands import Commands
from deploy.laptop.console import Console
from deploy.laptop.node import install_packages
from tests.e2e.clients.examples.gql_client import Session, client, follow
from tests.e2e.subscribers import CLIENTS
from tests.e2e.test_story import SIGN_IN, run
from tests.e2e.test_subscriptions import own_tweets, short_lived, tweet
from tests.stack import Account, RunningStack, new_account

EXAMPLES = CLIENTS / "examples"
QUERIES_ONLY = ["graphql-request"]
SUBSCRIBING = [
    *("apollo", "apollo-persisted", "apollo-ws", "urql", "urql-ws"),
    *("relay", "graphql-ws", "graphql-sse"),
]
BRIEF = 12  # seconds: the clients start at once, and their subscriptions are to see it expire


@dataclass
class Tokens:
    """Of one session: a token that has expired, one that soon will, and how to get others."""

    account: Account
    expired: str
    brief: str
    refresh_token: str

    @classmethod
    def of_a_new_session(cls, edge: httpx.Client, stack: RunningStack) -> "Tokens":
        account = new_account(edge)
        given = {"login": account.username, "password": account.password}
        signed_in = run(edge, SIGN_IN, input=given)["signIn"]
        own = replace(account, token=signed_in["accessToken"])
        return cls(
            account,
            short_lived(stack, own, -10),
            short_lived(stack, own, BRIEF),
            signed_in["refreshToken"],
        )


@dataclass
class Story:
    tokens: Tokens
    process: subprocess.Popen[str]

    def told(self) -> dict[str, Any]:
        """What the client saw, by event, once it has played its part."""
        output, errors = self.process.communicate(timeout=100)
        assert self.process.returncode == 0, errors
        lines = [json.loads(line) for line in output.splitlines()]
        return {line["event"]: line.get("value") for line in lines}


@pytest.fixture(scope="module")
def stories(
    stack: RunningStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Story]]:
    """All clients at once, so that they wait for their tokens to expire together."""
    node = install_packages(Commands(Console(io.StringIO()), threading.Event()), CLIENTS)
    folder = tmp_path_factory.mktemp("clients")
    with httpx.Client(base_url=stack.url, trust_env=False) as edge, ExitStack() as running:
        stories = {}
        for name in (*SUBSCRIBING, *QUERIES_ONLY):
            tokens = Tokens.of_a_new_session(edge, stack)
            given = folder / name
            given.write_text(
                json.dumps(
                    {
                        "expired": tokens.expired,
                        "brief": tokens.brief,
                        "refreshToken": tokens.refresh_token,
                    }
                )
            )
            process = subprocess.Popen(
                [str(node), str(CLIENTS / "matrix.mjs"), name, f"{stack.url}/graphql"],
                stdin=running.enter_context(given.open()),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            running.callback(process.communicate)
            running.callback(process.kill)
            stories[name] = Story(tokens, process)
        yield stories


class TestClient:
    @pytest.mark.parametrize("name", [*SUBSCRIBING, *QUERIES_ONLY])
    def test_query_and_mutation_after_a_refresh(
        self, stories: dict[str, Story], told: Callable[[str], dict[str, Any]], name: str
    ) -> None:
        seen = told(name)
        assert seen["query"] == stories[name].tokens.account.username
        assert seen["refreshed"] is True
        assert seen["mutation"] == "hello 👋"

    @pytest.mark.parametrize("name", SUBSCRIBING)
    def test_subscription_resumes_without_a_gap(
        self,
        edge: httpx.Client,
        stories: dict[str, Story],
        told: Callable[[str], dict[str, Any]],
        name: str,
    ) -> None:
        seen = told(name)
        expected = own_tweets(edge, stories[name].tokens.account)
        assert expected[-4:] == ["after the token expired", "missed", "missed too", "live again"]
        assert seen["feed"] == expected[expected.index(seen["feed"][0]) :]
        assert seen["ends"] == ["UNAUTHENTICATED"]


@pytest.fixture(scope="module")
def told(stories: dict[str, Story]) -> Callable[[str], dict[str, Any]]:
    """What a client saw; it is waited for once."""
    seen: dict[str, dict[str, Any]] = {}

    def tell(name: str) -> dict[str, Any]:
        if name not in seen:
            seen[name] = stories[name].told()
        return seen[name]

    return tell


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
            "SECONDS_TO_WATCH": "3",
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
