"""The prober's accounts and rounds, against a server that misbehaves."""

import json
from collections.abc import Callable

import httpx
import pytest

from client.api import ApiError
from deploy.prober.probe_account import ProbeAccount
from deploy.prober.round import Round, Step, steps
from subgraphs.auth.emails import normalize_email
from subgraphs.auth.logins import is_fictitious, username_problems

SECRET = "p" * 32
SIGNED_IN = {
    "__typename": "SignedIn",
    "accessToken": "t",
    "refreshToken": "r",
    "deviceToken": "d",
    "user": {"id": "1", "username": "p"},
}


def client(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.Client:
    return httpx.Client(base_url="http://edge", transport=httpx.MockTransport(answer))


def account(name: str, secret: str = SECRET) -> ProbeAccount:
    return ProbeAccount(client(lambda _: httpx.Response(404)), name, secret)


def data(value: object) -> httpx.Response:
    return httpx.Response(200, json={"data": value})


class TestProbeAccount:
    def test_username_is_valid_for_the_longest_name_of_a_prober(self) -> None:
        assert username_problems(account("a" * 21 + "_once_author").username) == []

    def test_username_follows_from_name_and_secret(self) -> None:
        username = account("prober_author").username
        assert account("prober_author").username == username
        assert account("prober_reader").username != username
        assert account("prober_author", "q" * 32).username != username

    def test_address_gets_no_mail(self) -> None:
        sent: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            sent.append(json.loads(request.content)["variables"]["input"]["email"])
            return data({"signUp": SIGNED_IN})

        ProbeAccount(client(answer), "prober", SECRET).sign_up()
        (address,) = sent
        assert is_fictitious(normalize_email(address))

    def test_password_does_not_contain_the_public_username(self) -> None:
        made = account("prober_author")
        assert made.username.removeprefix("p_") not in made._password

    def test_invalid_credentials_mean_that_it_does_not_exist(self) -> None:
        outcome = {"signIn": {"__typename": "InvalidCredentialsError"}}
        assert not ProbeAccount(client(lambda _: data(outcome)), "prober", SECRET).exists()

    def test_another_refusal_is_an_error(self) -> None:
        outcome = {"signIn": {"__typename": "TooManyAttemptsError"}}
        with pytest.raises(ApiError, match="TooManyAttemptsError"):
            ProbeAccount(client(lambda _: data(outcome)), "prober", SECRET).exists()


class TestRound:
    @pytest.mark.parametrize(
        ("failure", "problem"),
        [
            (ValueError(), "the answer has another shape (ValueError)"),
            (httpx.ConnectError("refused"), "no answer (ConnectError)"),
        ],
    )
    def test_failure_of_the_system_fails_the_step(self, failure: Exception, problem: str) -> None:
        done: list[Step] = []
        assert not failing_round(failure, done.append).run()
        assert [(step.name, step.problem) for step in done] == [("clean up", problem)]

    def test_error_of_an_answer_is_recorded_without_its_message(self) -> None:
        done: list[Step] = []
        error = {"message": f"Not a string: {SECRET}", "extensions": {"code": "BAD_USER_INPUT"}}
        http = client(lambda _: httpx.Response(200, json={"errors": [error]}))
        assert not Round(http, "prober", SECRET, done.append, {"auth"}).run()
        assert [(step.name, step.problem) for step in done] == [
            ("clean up", "error BAD_USER_INPUT")
        ]

    def test_unforeseen_exception_ends_the_prober_and_fails_the_step(self) -> None:
        done: list[Step] = []
        with pytest.raises(RuntimeError):
            failing_round(RuntimeError(), done.append).run()
        assert [(step.name, step.problem) for step in done] == [("clean up", "RuntimeError")]

    def test_without_tweets_a_round_signs_up_in_and_out(self) -> None:
        tokens: set[str] = set()
        strangers: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            sent = json.loads(request.content)
            query = sent["query"]
            if "deleteAccount" in query:
                return data({"deleteAccount": {"__typename": "AccountDeleted"}})
            if "signUp" in query:
                return data({"signUp": SIGNED_IN})
            if "signIn" in query:
                tokens.add("t")
                given = sent["variables"]["input"]
                if given.get("deviceToken") != SIGNED_IN["deviceToken"]:
                    strangers.append(given["login"])
                return data({"signIn": SIGNED_IN})
            if "signOut" in query:
                tokens.clear()
                return data({"signOut": {"sessionIds": ["1"]}})
            return data({"me": {"username": "p"}}) if tokens else httpx.Response(401)

        done: list[Step] = []
        rounds = Round(client(answer), "prober", SECRET, done.append, {"auth"})
        assert rounds.run()
        assert [step.name for step in done] == ["clean up", *steps({"auth"})]
        # Only the first clean-up, which looks for accounts that another prober left, is a stranger.
        assert len(strangers) == 2
        assert rounds.run()
        assert len(strangers) == 2


def failing_round(failure: Exception, record: Callable[[Step], None]) -> Round:
    def fail(_: httpx.Request) -> httpx.Response:
        raise failure

    return Round(client(fail), "prober", SECRET, record, {"auth", "tweets"})
