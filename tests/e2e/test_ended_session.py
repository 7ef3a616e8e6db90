"""Fields that follow the end of the session in the same document are refused."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from client.api import Account, run
from tests.stack import ON_ONE_ROUTER, RunningStack, eventually

pytestmark = pytest.mark.needs("tweets", "notifier")

SESSION_ENDED = {"code": "UNAUTHENTICATED", "reason": "SESSION_ENDED"}
ENDINGS = [
    'deleteAccount(password: "%s") { __typename }',
    "signOut { sessionIds }",
    "signOutEverywhere { __typename }",
    'reauthenticate(password: "%s") { __typename }',
]
TWEET = """mutation ($text: String!) {
    createTweet(input: {text: $text}) { ... on Tweet { id } } }"""
COUNT = "query ($id: ID!) { tweet(id: $id) { retweetCount } }"


def tweet(edge: httpx.Client, author: Account, text: str) -> str:
    return str(run(edge, TWEET, author, text=text)["createTweet"]["id"])


def errors(edge: httpx.Client, document: str, account: Account) -> list[Any]:
    """Return the extensions of each error, without those that only one of the two routers adds."""
    answer = edge.post("/graphql", json={"query": document}, headers=account.headers)
    return [
        {name: error["extensions"].get(name) for name in SESSION_ENDED}
        for error in answer.json().get("errors", [])
    ]


@pytest.mark.parametrize("ending", ENDINGS)
class TestLaterFields:
    def test_tweet_and_retweet_are_refused(
        self, edge: httpx.Client, sign_up: Callable[[], Account], ending: str
    ) -> None:
        victim = sign_up()
        target = tweet(edge, victim, "Hello")
        for _ in range(5):
            leaver = sign_up()
            document = f"""mutation {{
                x: {ending.replace("%s", leaver.password)}
                t: createTweet(input: {{text: "Late"}}) {{ __typename }}
                r: retweet(tweetId: "{target}") {{ __typename }}
            }}"""
            found = errors(edge, document, leaver)
            assert found
            assert all(error == SESSION_ENDED for error in found)
        assert run(edge, COUNT, victim, id=target)["tweet"]["retweetCount"] == 0

    @pytest.mark.parametrize(
        "later",
        [
            "updateEmailSettings(input: {retweets: true}) { retweets }",
            "signOutEverywhere { __typename }",
            'revokeSession(id: "nothing") { __typename }',
            'deleteAccount(password: "%s") { __typename }',
            'undoRetweet(tweetId: "00000000-0000-0000-0000-000000000000") { __typename }',
            'deleteTweet(id: "00000000-0000-0000-0000-000000000000") { __typename }',
        ],
    )
    def test_every_other_mutation_is_refused(
        self, edge: httpx.Client, sign_up: Callable[[], Account], ending: str, later: str
    ) -> None:
        leaver = sign_up()
        document = f"mutation {{ x: {ending} y: {later} }}".replace("%s", leaver.password)
        assert errors(edge, document, leaver) == [SESSION_ENDED]


class TestDeletedAccount:
    @ON_ONE_ROUTER  # an event removes them
    def test_tweets_and_retweets_disappear_though_tweets_is_killed(
        self, edge: httpx.Client, sign_up: Callable[[], Account], stack: RunningStack
    ) -> None:
        victim, leaver = sign_up(), sign_up()
        target = tweet(edge, victim, "Hello")
        own = [tweet(edge, leaver, f"Number {n}") for n in range(60)]
        run(
            edge,
            "mutation ($id: ID!) { retweet(tweetId: $id) { __typename } }",
            leaver,
            id=target,
        )
        document = f'mutation {{ deleteAccount(password: "{leaver.password}") {{ __typename }} }}'
        run(edge, document, leaver)
        stack.kill("tweets")
        stack.restart("tweets")
        find = "query ($id: ID!) { tweet(id: $id) { text } }"
        eventually(
            lambda: all(run(edge, find, victim, id=id_)["tweet"] is None for id_ in own),
            "the tweets of a deleted account disappear",
        )
        eventually(
            lambda: run(edge, COUNT, victim, id=target)["tweet"]["retweetCount"] == 0,
            "a retweet of a deleted account no longer counts",
        )

    def test_without_valkey_later_fields_are_refused_and_live_sessions_write(
        self, edge: httpx.Client, sign_up: Callable[[], Account], stack: RunningStack
    ) -> None:
        leaver, other = sign_up(), sign_up()
        stack.kill("valkey")
        try:
            document = """mutation {
                x: signOut { sessionIds }
                t: createTweet(input: {text: "Late"}) { __typename }
            }"""
            assert errors(edge, document, leaver) == [SESSION_ENDED]
            assert tweet(edge, other, "Still here")
            assert run(
                edge,
                "mutation { updateEmailSettings(input: {retweets: true}) { retweets } }",
                other,
            ) == {"updateEmailSettings": {"retweets": True}}
        finally:
            stack.restart("valkey")
