"""Answers of the API become data or errors, and secrets stay out of what may be logged."""

import json
from collections.abc import Callable

import httpx
import pytest

from client.api import Account, ApiError, UnexpectedOutcomeError, run, run_async, sign_up

ADA = Account("1", "ada", "the password", "the token")
ME = "{ me { username } }"


def answering(answer: httpx.Response) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: answer


def client(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.Client:
    return httpx.Client(base_url="http://edge", transport=httpx.MockTransport(answer))


class TestAccount:
    def test_repr_shows_no_secret(self) -> None:
        assert "the password" not in repr(ADA)
        assert "the token" not in repr(ADA)


class TestRun:
    def test_document_variables_and_token_are_sent(self) -> None:
        def echo(request: httpx.Request) -> httpx.Response:
            assert request.url == "http://edge/graphql"
            sent = json.loads(request.content)
            authorization = request.headers.get("authorization")
            return httpx.Response(200, json={"data": {"sent": sent, "by": authorization}})

        sent = {"query": ME, "variables": {"first": 2}}
        assert run(client(echo), ME, ADA, first=2) == {"sent": sent, "by": "Bearer the token"}
        assert run(client(echo), ME)["by"] is None

    @pytest.mark.parametrize(
        ("answer", "problem"),
        [
            (httpx.Response(503, text="away"), "status 503"),
            (httpx.Response(200, text="<html>"), "the answer is not JSON"),
            (
                httpx.Response(200, json={"errors": [{"extensions": {"code": "FORBIDDEN"}}]}),
                "error FORBIDDEN",
            ),
        ],
    )
    def test_answer_without_data_is_an_error(self, answer: httpx.Response, problem: str) -> None:
        with pytest.raises(ApiError) as raised:
            run(client(answering(answer)), ME)
        assert raised.value.problem == problem

    async def test_asynchronous_run_returns_the_same_data(self) -> None:
        transport = httpx.MockTransport(answering(httpx.Response(200, json={"data": {"a": 1}})))
        async with httpx.AsyncClient(base_url="http://edge", transport=transport) as http:
            assert await run_async(http, ME, ADA) == {"a": 1}


class TestSignUp:
    def test_outcome_other_than_a_session_is_an_error_with_its_type(self) -> None:
        taken = {"data": {"signUp": {"__typename": "UsernameTakenError"}}}
        with pytest.raises(UnexpectedOutcomeError) as raised:
            sign_up(client(answering(httpx.Response(200, json=taken))), "ada")
        assert raised.value.kind == "UsernameTakenError"

    def test_more_fields_are_part_of_the_input(self) -> None:
        def check(request: httpx.Request) -> httpx.Response:
            given = json.loads(request.content)["variables"]["input"]
            assert given["username"] == "ada"
            assert given["emailSettings"] == {"retweets": True}
            session = {
                "__typename": "SignedIn",
                "accessToken": "a",
                "refreshToken": "r",
                "deviceToken": "d",
                "user": {"id": "1", "username": "ada"},
            }
            return httpx.Response(200, json={"data": {"signUp": session}})

        made = sign_up(client(check), "ada", "secret", emailSettings={"retweets": True})
        assert made == Account("1", "ada", "secret", "a", "r", device_token="d")
