"""The edge's log has a line for each request, which the terminal of `make up` shows."""

import json
from typing import Any

import httpx
import pytest
from websockets.http11 import Response

from stack.router import Kind
from tests.e2e.test_edge import NEEDS_TWEETS, STREAM_PATHS, SignUp, socket
from tests.stack import RunningStack, eventually

TWO_FIELDS = '{ me { id } user(username: "ada") { id } }'
TWO_SERVICES = "{ me { id } myTweets { edges { cursor } } }"


def line_of(answer: httpx.Response | Response, stack: RunningStack) -> dict[str, Any]:
    """Return the line of a request, once it is there; its headers reach no client."""
    assert not [name for name in answer.headers if name.lower().startswith("x-router")]
    request_id = answer.headers["x-request-id"]
    file = stack.data / "logs" / "edge.log"
    found: dict[str, Any] = {}

    def is_there() -> bool:
        lines = [json.loads(line) for line in file.read_text().splitlines() if line[0] == "{"]
        found.update({line["request_id"]: line for line in lines}.get(request_id, {}))
        return bool(found)

    eventually(is_there, "the edge logged the request")
    return found


class TestAccessLog:
    @pytest.mark.parametrize(
        ("query", "operation", "outcome"),
        [
            ("{ me { id } }", "me", "ok"),
            (TWO_FIELDS, "several", "UNAUTHENTICATED"),
            pytest.param(TWO_SERVICES, "several", "UNAUTHENTICATED", marks=NEEDS_TWEETS),
            ("query Named { mine: me { id } }", "me", "ok"),
            ("{ sessions { id } }", "sessions", "UNAUTHENTICATED"),
            (
                'mutation { refreshSession(refreshToken: "x") { __typename } }',
                "refreshSession",
                "InvalidRefreshTokenError",
            ),
            ("{ __schema { queryType { name } } }", "introspection", "ok"),
            ('{ type: __type(name: "User") { name } }', "introspection", "ok"),
            ("{ __typename }", "introspection", "ok"),
            ("{ nothing }", None, "GRAPHQL_VALIDATION_FAILED"),
            ("{ me { nothing } nothing }", None, "GRAPHQL_VALIDATION_FAILED"),
            ("{ me { id }", None, "PARSING_ERROR"),
            pytest.param("{ me { %s } }" % ("id " * 2001), None, "PARSING_ERROR", id="too large"),
            ("", None, "MISSING_QUERY_STRING"),
        ],
    )
    def test_operation_and_outcome_of_a_document_are_logged(
        self,
        edge: httpx.Client,
        stack: RunningStack,
        query: str,
        operation: str | None,
        outcome: str,
    ) -> None:
        line = line_of(edge.post("/graphql", json={"query": query}), stack)
        assert (line["operation"], line["outcome"]) == (operation, outcome)

    @pytest.mark.parametrize(
        ("body", "outcome"),
        [
            ({"query": 3}, "INVALID_GRAPHQL_REQUEST"),
            ([{"query": "{ me { id } }"}], "BATCHING_NOT_ENABLED"),
            (
                {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}},
                "PERSISTED_QUERY_NOT_FOUND",
            ),
        ],
        ids=["no text", "a batch", "an unknown hash"],
    )
    def test_code_of_a_request_without_a_document_is_logged(
        self, edge: httpx.Client, stack: RunningStack, body: object, outcome: str
    ) -> None:
        line = line_of(edge.post("/graphql", json=body), stack)
        assert (line["operation"], line["outcome"]) == (None, outcome)

    @pytest.mark.parametrize(
        ("headers", "outcome"),
        [
            ({"content-type": "text/plain"}, "CSRF_ERROR"),
            ({"content-type": "text/csv"}, "INVALID_CONTENT_TYPE_HEADER"),
            ({"accept": "text/csv"}, "INVALID_ACCEPT_HEADER"),
        ],
        ids=str,
    )
    def test_code_of_refused_headers_is_logged_by_the_stand_in_only(
        self, edge: httpx.Client, stack: RunningStack, headers: dict[str, str], outcome: str
    ) -> None:
        answer = edge.post("/graphql", json={"query": "{ me { id } }"}, headers=headers)
        [error] = answer.json()["errors"]
        assert error["extensions"]["code"] == outcome
        logged = None if stack.kind is Kind.ROUTER else outcome
        line = line_of(answer, stack)
        assert (line["operation"], line["outcome"]) == (None, logged)

    def test_query_plan_without_execution_has_no_operation(
        self, edge: httpx.Client, stack: RunningStack
    ) -> None:
        headers = {"apollo-expose-query-plan": "dry-run"}
        answer = edge.post("/graphql", json={"query": "{ me { id } }"}, headers=headers)
        assert "apolloQueryPlan" in answer.json()["extensions"]
        line = line_of(answer, stack)
        assert (line["operation"], line["outcome"]) == (None, "ok")

    @pytest.mark.parametrize("path", STREAM_PATHS)
    @NEEDS_TWEETS
    def test_subscription_is_logged_as_one_on_every_path(
        self, edge: httpx.Client, stack: RunningStack, sign_up: SignUp, path: str
    ) -> None:
        account = sign_up()
        headers = account.headers | {"x-router-operation": "guess"}
        with socket(stack, headers, path) as client:
            opened = client.response
        query = {"query": "subscription { tweetFeed { cursor } }"}
        accept = {"accept": "text/event-stream"}
        with edge.stream("POST", path, json=query, headers=headers | accept) as answer:
            assert answer.status_code == 200
        assert opened
        for received in (opened, answer):
            line = line_of(received, stack)
            assert (line["operation"], line["user_id"]) == ("subscription", account.id)
