"""Row 1: a timeline of 20 tweets from one worker."""

import json
import urllib.request
from typing import Any
from uuid import UUID

from bench.load import Target
from bench.rounds import Effort, Ratio, measure, rows
from bench.seed import fill
from bench.testbed import Running, Testbed

QUERY = """query Timeline($first: Int!) { myTweets(first: $first) { edges { cursor node {
    id text createdAt retweetCount author { id username }
    retweetOf { id text author { id username } } } } pageInfo { hasNextPage endCursor } } }"""
BODY = json.dumps({"query": QUERY, "variables": {"first": 20}}).encode()


READER = UUID("00000000-0000-7000-8000-00000000c0de")


def identity(testbed: Testbed, reader: UUID = READER) -> dict[str, str]:
    """Return the headers that the edge sets for a signed-in `reader`."""
    return {
        "x-router-secret": testbed.secret,
        "x-auth-user-id": str(reader),
        "x-auth-username": "reader",
        "x-auth-scopes": "tweets:read tweets:write account:read",
        "x-auth-session-id": str(reader),
        "x-auth-expires-at": "4102444800",
    }


def ask(target: Target) -> Any:
    """Send a request once, and return the answer."""
    request = urllib.request.Request(target.url, target.body, target.all_headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def target(running: Running, testbed: Testbed) -> Target:
    return Target(f"{running.url}/graphql", BODY, identity(testbed), running.process.pid)


def timeline(testbed: Testbed, effort: Effort) -> dict[str, Any]:
    """Measure the services after a check that all return the same data."""
    fill(testbed.superuser_url, READER, effort.tweets[0])
    apollo, tuned = testbed.apollo_server(), testbed.apollo_server(TUNED="1")
    ours = testbed.service("tweets")
    default = testbed.python("Strawberry", "bench.strawberry_default")
    plain = testbed.python("Strawberry without caches", "bench.strawberry_default", PLAIN="1")
    handwritten = testbed.python("hand-written", "bench.handwritten")
    services = {
        "Chirp": ours,
        "hand-written: Starlette, asyncpg, orjson": handwritten,
        "Apollo Server, pg, DataLoader": apollo,
        "Apollo Server, tuned": tuned,
        "Strawberry's executor, with its caches": default,
        "Strawberry's executor, as installed": plain,
    }
    targets = {name: target(running, testbed) for name, running in services.items()}
    answers = {name: _comparable(ask(one)) for name, one in targets.items()}
    for name, answer in answers.items():
        assert answer == answers["Chirp"], f"{name} returns other data"
    found = measure(targets, effort)
    for running in services.values():
        testbed.end(running)
    rate = {name: figure.rate for name, figure in found.items()}
    ours_rate, by_hand, node, node_tuned, strawberry, bare = rate.values()
    return {
        "title": "A timeline of 20 tweets, one worker",
        "figures": rows(found),
        "ratios": [
            Ratio("to default Strawberry", ours_rate / strawberry, "≥ 3"),
            Ratio("to default Strawberry without caches", ours_rate / bare),
            Ratio("to Apollo Server", ours_rate / node, "≥ 1.5"),
            Ratio("to Apollo Server, tuned", ours_rate / node_tuned),
            Ratio("to hand-written", ours_rate / by_hand, "≥ 0.5"),
            *(
                Ratio(f"processor time of {name} to Chirp's", figure.cpu / found["Chirp"].cpu)
                for name, figure in found.items()
                if name != "Chirp"
            ),
        ],
    }


def _comparable(answer: Any) -> Any:
    """Return the answer with times cut to milliseconds, which is all that Node returns."""
    for edge in answer["data"]["myTweets"]["edges"]:
        edge["node"]["createdAt"] = edge["node"]["createdAt"][:23]
    return answer
