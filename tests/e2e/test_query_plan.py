"""The router and its stand-in show query plans in development, and only there."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from client.api import Account
from tests.e2e.beside import router_beside
from tests.stack import RunningStack

pytestmark = pytest.mark.needs("tweets")

DRY_RUN = {"apollo-expose-query-plan": "dry-run"}
ME = {"query": "{ me { username tweets { edges { node { text } } } } }"}
TWEET = {"query": 'mutation { createTweet(input: {text: "a"}) { __typename } }'}

SignUp = Callable[[], Account]


class TestQueryPlan:
    def test_dry_run_returns_the_plan_without_data(self, edge: httpx.Client) -> None:
        answer = edge.post("/graphql", json=ME, headers=DRY_RUN)
        assert answer.status_code == 200
        body = answer.json()
        assert body.get("data") is None
        assert not body.get("errors")
        plan = body["extensions"]["apolloQueryPlan"]["text"]
        assert 'Fetch(service: "auth")' in plan
        assert 'Flatten(path: "me")' in plan

    def test_dry_run_does_not_run_a_mutation(self, edge: httpx.Client, sign_up: SignUp) -> None:
        account = sign_up()
        headers = account.headers | DRY_RUN
        plan = edge.post("/graphql", json=TWEET, headers=headers).json()["extensions"]
        assert 'Fetch(service: "tweets")' in plan["apolloQueryPlan"]["text"]
        mine = edge.post("/graphql", json=ME, headers=account.headers).json()
        assert mine["data"]["me"]["tweets"]["edges"] == []

    def test_plan_is_added_to_the_data_on_request(self, edge: httpx.Client) -> None:
        headers = {"apollo-expose-query-plan": "true"}
        body = edge.post("/graphql", json=ME, headers=headers).json()
        assert body["data"] == {"me": None}
        assert 'service: "auth"' in body["extensions"]["apolloQueryPlan"]["text"]

    def test_dry_run_of_an_invalid_operation_is_refused(self, edge: httpx.Client) -> None:
        answer = edge.post("/graphql", json={"query": "{ nothing }"}, headers=DRY_RUN)
        assert answer.status_code == 400
        assert answer.json()["errors"]

    def test_no_plan_is_returned_without_the_header(self, edge: httpx.Client) -> None:
        assert "extensions" not in edge.post("/graphql", json=ME).json()

    @pytest.mark.parametrize("value", ["true", "dry-run"])
    def test_no_plan_is_returned_in_production(
        self, stack: RunningStack, tmp_path: Path, value: str
    ) -> None:
        headers = {"apollo-expose-query-plan": value}
        with router_beside(stack, tmp_path, ENVIRONMENT="production") as production:
            answer = production.post("/graphql", json=ME, headers=headers)
        assert "QueryPlan" not in answer.text
