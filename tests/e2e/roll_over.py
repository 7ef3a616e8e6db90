"""Follows the feed with real clients while a command replaces parts of a running system.

    python -m tests.e2e.roll_over http://localhost:4000 COMMAND…

A new user tweets without pause while the command runs. Apollo Client, graphql-ws and graphql-sse
subscribe, and resume with the cursor of their last item when they are cut off. In the end each must
have received every tweet once and in order, and the user is deleted. The command must return when
what it replaces has ended; it has the quarter of an hour for which the access token is valid.
"""

import argparse
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx

from client.api import Account, ApiError, connect, run, sign_up
from client.documents import CREATE_TWEET, DELETE_ACCOUNT
from tests.e2e.subscribers import FEED, KINDS, Subscriber, subscriber
from tests.stack import eventually

CREATE_ONCE = """mutation ($text: String!, $key: String!) {
    createTweet(input: {text: $text, idempotencyKey: $key}) {
        ... on Tweet { id } ... on Error { message }
} }"""
FEDERATED = FEED.replace("id username", "id username createdAt")
"""Also selects a field that auth serves: the router completes each item."""
MINE = """query ($after: String) { myTweets(first: 100, after: $after) {
    edges { node { text } } pageInfo { hasNextPage endCursor }
} }"""


def tweet(http: httpx.Client, account: Account, text: str) -> str:
    """Tweet and return the id."""
    tweet_id: str = run(http, CREATE_TWEET, account, text=text)["createTweet"]["id"]
    return tweet_id


def listen(
    client: Subscriber,
    http: httpx.Client,
    account: Account,
    query: str = FEED,
    *,
    token: str | None = None,
) -> None:
    """Subscribe, with another token of the account if given, and return when items arrive."""
    client.subscribe(token or account.token, query)

    def is_listening() -> bool:
        tweet(http, account, f"probe {uuid4()}")
        return bool(client.texts)

    eventually(is_listening, f"{client.kind} receives a tweet")


def own_tweets(http: httpx.Client, account: Account) -> list[str]:
    """Return the expected texts: those of all own tweets, oldest first."""
    texts: list[str] = []
    after = None
    while True:
        page = run(http, MINE, account, after=after)["myTweets"]
        texts += [edge["node"]["text"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            return texts[::-1]
        after = page["pageInfo"]["endCursor"]


@dataclass
class Followed:
    """What happened while a system was replaced."""

    clients: list[Subscriber]
    tweets: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Why a tweet had to be sent again, and how often."""

    def __str__(self) -> str:
        cuts = sum(m["event"] == "closed" for client in self.clients for m in client.messages)
        again = ", ".join(f"{reason} ({count})" for reason, count in self.refused.items())
        return (
            f"{self.tweets} tweets, received once and in order by {len(self.clients)} clients; "
            f"graphql-ws was cut off {cuts} times; sent again: {again or 'none'}"
        )


@contextmanager
def followed(
    url: str, query: str = FEED, *, each: int = 1, within: float = 30
) -> Iterator[Followed]:
    """Tweet without pause while the block runs, with `each` clients of each kind as subscribers.

    Raises AssertionError unless every client has received every tweet once and in order. An outage
    may last `within` seconds.
    """
    with ExitStack() as running:
        http = running.enter_context(connect(url, seconds=5))
        account = sign_up(http)
        clients = [
            running.enter_context(subscriber(kind, f"{url}/graphql"))
            for kind in KINDS
            for _ in range(each)
        ]
        for client in clients:
            listen(client, http, account, query)
        result, stop = Followed(clients), threading.Event()
        with ThreadPoolExecutor() as pool:
            writing = pool.submit(_keep_tweeting, http, account, stop, result, within)
            try:
                yield result
            finally:
                stop.set()
            last = writing.result()
        expected = own_tweets(http, account)
        assert expected[-1] == last
        for client in clients:
            eventually(lambda c=client: last in c.texts, f"{client.kind} catches up", within)  # type: ignore[misc]
            assert client.texts == expected[expected.index(client.texts[0]) :], client.kind
        run(http, DELETE_ACCOUNT, account, password=account.password)


def _keep_tweeting(
    http: httpx.Client, account: Account, stop: threading.Event, result: Followed, within: float
) -> str:
    """Tweet until `stop` is set, each tweet once in spite of outages of `within` seconds.

    Return the last text.
    """

    def is_written() -> bool:
        try:
            run(http, CREATE_ONCE, account, text=text, key=text)
        except ApiError as error:
            result.refused[error.problem] += 1
        except httpx.HTTPError as error:
            result.refused[type(error).__name__] += 1
        else:
            return True
        return False

    while True:
        text, over = f"tweet {result.tweets}", stop.is_set()
        eventually(is_written, "it is written", within)
        result.tweets += 1
        if over:
            return text
        time.sleep(0.01)


def main() -> int:
    """Return the exit status of the command. Exits if an item is missing or repeated."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.e2e.roll_over",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--each", type=int, default=1, help="clients of each kind")
    parser.add_argument(
        "--federated", action="store_true", help="select a field of another subgraph as well"
    )
    parser.add_argument("url", help="of the edge")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    try:
        query = FEDERATED if given.federated else FEED
        with followed(given.url, query, each=given.each, within=120) as result:
            status = subprocess.run(given.command, check=False).returncode
    except AssertionError as error:
        sys.exit(f"failed: {error}")
    sys.stdout.write(f"{result}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
