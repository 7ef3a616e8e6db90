"""Runs operations over HTTP; signs up and in."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from client.documents import SIGN_IN, SIGN_UP

Data = dict[str, Any]

PATH = "/graphql"


class ApiError(Exception):
    """An operation did not succeed.

    `problem` is safe to log: a status, an error code or a type name. The exception's text adds the
    answer, which may hold what the caller sent.
    """

    def __init__(self, problem: str, answer: object = None) -> None:
        super().__init__(problem if answer is None else f"{problem}: {answer}")
        self.problem = problem


class UnexpectedOutcomeError(ApiError):
    """The outcome of an operation has another type than the expected one."""

    def __init__(self, outcome: Mapping[str, Any]) -> None:
        self.kind: str = outcome["__typename"]
        super().__init__(f"the outcome is {self.kind}", outcome)


@dataclass(frozen=True)
class Account:
    """A user with an open session."""

    id: str
    username: str
    password: str = field(repr=False)
    token: str = field(repr=False)
    """The session's access token."""
    refresh_token: str = field(default="", repr=False)
    device_token: str = field(default="", repr=False)
    """Of the last sign-in; `sign_in` sends it with `deviceToken=account.device_token`."""

    @property
    def email(self) -> str:
        """The address of `sign_up` without another one."""
        return f"{self.username}@example.com"

    @property
    def headers(self) -> dict[str, str]:
        return bearer(self.token)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def connect(url: str, *, seconds: float = 30) -> httpx.Client:
    """Return a client of the edge at `url`; it ignores the environment's proxies.

    `seconds` is the timeout of each step of a request.
    """
    return httpx.Client(base_url=url, timeout=seconds, trust_env=False)


def send(
    http: httpx.Client, query: str, account: Account | None = None, /, **variables: Any
) -> httpx.Response:
    """Send an operation and return the answer. Raises httpx.TransportError without one."""
    return http.post(PATH, json=body(query, variables), headers=_headers(account))


def run(
    http: httpx.Client, query: str, account: Account | None = None, /, **variables: Any
) -> Data:
    """Run an operation and return its data. Raises ApiError, httpx.TransportError."""
    return data_of(send(http, query, account, **variables))


async def run_async(
    http: httpx.AsyncClient, query: str, account: Account | None = None, /, **variables: Any
) -> Data:
    """Run an operation and return its data. Raises ApiError, httpx.TransportError."""
    content = body(query, variables)
    return data_of(await http.post(PATH, json=content, headers=_headers(account)))


def body(query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    return {"query": query, "variables": variables}


def data_of(answer: httpx.Response) -> Data:
    """Return the data of an answer without errors. Raises ApiError."""
    if answer.status_code != 200:
        raise ApiError(f"status {answer.status_code}", answer.text)
    try:
        content = answer.json()
    except ValueError:
        raise ApiError("the answer is not JSON", answer.text) from None
    if errors := content.get("errors"):
        code = errors[0].get("extensions", {}).get("code")
        raise ApiError(f"error {code}", content)
    data: Data = content["data"]
    return data


def expect(kind: str, outcome: Mapping[str, Any]) -> None:
    """Raise UnexpectedOutcomeError unless the outcome, a member of a union, has the type `kind`."""
    if outcome["__typename"] != kind:
        raise UnexpectedOutcomeError(outcome)


def sign_up(http: httpx.Client, username: str = "", password: str = "", /, **more: Any) -> Account:
    """Sign up a user, by default with a random name and password.

    `more` are further fields of SignUpInput. Raises ApiError, httpx.TransportError.
    """
    username = username or f"u{secrets.token_hex(6)}"
    password = password or secrets.token_urlsafe(12)
    given = {"username": username, "email": f"{username}@example.com", "password": password}
    return _account(run(http, SIGN_UP, input=given | more)["signUp"], password)


def sign_in(http: httpx.Client, username: str, password: str, /, **more: Any) -> Account:
    """Open another session of a user.

    `more` are further fields of SignInInput. Raises ApiError, httpx.TransportError.
    """
    given = {"login": username, "password": password}
    return _account(run(http, SIGN_IN, input=given | more)["signIn"], password)


def _account(outcome: Mapping[str, Any], password: str) -> Account:
    expect("SignedIn", outcome)
    user = outcome["user"]
    tokens = outcome["accessToken"], outcome["refreshToken"], outcome["deviceToken"]
    return Account(user["id"], user["username"], password, *tokens)


def _headers(account: Account | None) -> dict[str, str]:
    return account.headers if account else {}
