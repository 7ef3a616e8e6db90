"""Row 6: tweets and retweets, each with its event, compared with a hand-written transaction."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from bench.load import Measured, graphql_body
from bench.raw_http import Requests, drive, raw_request
from bench.rounds import Effort, Ratio, medians, rows
from bench.seed import SHARE, fill, tweet_id
from bench.testbed import Running, Testbed
from bench.timeline import READER, identity

CREATE = """mutation ($text: String!) { createTweet(input: {text: $text}) {
    __typename ... on Tweet { id } } }"""
RETWEET = "mutation ($id: ID!) { retweet(tweetId: $id) { __typename ... on Tweet { id } } }"

WRITTEN = b'"id":'
"""Part of the answer of a write that succeeded."""

_JSON = {"content-type": "application/json"}


def writes(testbed: Testbed, effort: Effort) -> dict[str, Any]:
    fill(testbed.superuser_url, READER, effort.tweets[0])
    ours, by_hand = testbed.service("tweets"), testbed.python("hand-written", "bench.handwritten")
    users = itertools.count(1)
    makers: dict[str, tuple[Running, Callable[[], Requests]]] = {
        "createTweet": (ours, lambda: creating(testbed, "/graphql", users)),
        "createTweet, hand-written": (by_hand, lambda: creating(testbed, "/create", users)),
        "retweet": (ours, lambda: retweeting(testbed, "/graphql", users, effort.tweets[0])),
        "retweet, hand-written": (
            by_hand,
            lambda: retweeting(testbed, "/retweet", users, effort.tweets[0]),
        ),
    }
    found = {name: list[Measured]() for name in makers}
    for number in range(effort.rounds + 1):
        for name, (running, make) in makers.items():
            one = drive(running, make(), effort.seconds, connections=16, containing=WRITTEN)
            if number:  # the first round warms up
                found[name].append(one)
    figures = {name: medians(all_) for name, all_ in found.items()}
    rate = {name: figure.rate for name, figure in figures.items()}
    return {
        "title": "Writes, each with its event in the outbox",
        "figures": rows(figures),
        "ratios": [
            Ratio(
                "createTweet to hand-written",
                rate["createTweet"] / rate["createTweet, hand-written"],
            ),
            Ratio("retweet to hand-written", rate["retweet"] / rate["retweet, hand-written"]),
        ],
    }


def creating(testbed: Testbed, path: str, users: Iterator[int]) -> Requests:
    """Yield createTweet by another user each time: one user's tweets wait for its feed's lock."""
    for number in users:
        text = f"A tweet with a text of its own, number {number}."
        yield raw_request(
            path, _JSON | identity(testbed, _user_id(number)), graphql_body(CREATE, text=text)
        )


def retweeting(testbed: Testbed, path: str, users: Iterator[int], tweets: int) -> Requests:
    """Yield retweets by another user each time, of tweets all over the table."""
    originals = tweets // SHARE * SHARE
    for number in users:
        original = number * 7919 % originals
        original += original % SHARE == 0  # not one of the reader's: some of those are retweets
        wanted = graphql_body(RETWEET, id=str(tweet_id(original)))
        yield raw_request(path, _JSON | identity(testbed, _user_id(number)), wanted)


def _user_id(number: int) -> UUID:
    return UUID(int=(2 << 120) | number)
