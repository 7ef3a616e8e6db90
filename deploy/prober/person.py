"""Somebody who uses the system through its front door."""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import httpx

SIGN_UP = """mutation ($username: String!, $email: String!, $password: String!) {
  signUp(input: {username: $username, email: $email, password: $password}) {
    __typename ... on SignedIn { accessToken }
} }"""
SIGN_IN = """mutation ($login: String!, $password: String!) {
  signIn(input: {login: $login, password: $password}) { __typename ... on SignedIn { accessToken } }
}"""
DELETE = "mutation ($password: String!) { deleteAccount(password: $password) { __typename } }"


class StepFailedError(Exception):
    """Something is not as a user expects it; the message names no secret."""


class Person:
    """An account whose name and password are always the same: whatever a prober that was killed
    has left behind, the next one finds and removes. Nobody else can know the name and take it."""

    def __init__(self, client: httpx.Client, name: str, secret: str) -> None:
        self.name = f"p_{_derived(secret, f'name {name}')[:16]}"
        self.token: str | None = None
        self._client = client
        self._password = _derived(secret, f"password {name}")

    def post(self, query: str, variables: Mapping[str, Any] | None = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        body = {"query": query, "variables": variables or {}}
        try:
            return self._client.post("/graphql", json=body, headers=headers)
        except httpx.HTTPError as error:
            raise StepFailedError(f"no answer ({type(error).__name__})") from error

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer's data. Raises StepFailedError for anything but a full success."""
        answer = self.post(query, variables)
        if answer.status_code != 200:
            raise StepFailedError(f"status {answer.status_code}")
        try:
            body = answer.json()
        except ValueError:
            raise StepFailedError("the answer is no JSON") from None
        if errors := body.get("errors"):
            code = errors[0].get("extensions", {}).get("code")
            raise StepFailedError(f"an error in the answer ({code})")
        data: dict[str, Any] = body["data"]
        return data

    def sign_up(self) -> None:
        email = f"{self.name}@example.com"
        given = {"username": self.name, "email": email, "password": self._password}
        self.token = None
        self._take_token(self.ask(SIGN_UP, given)["signUp"])

    def sign_in(self) -> None:
        self.token = None
        given = {"login": self.name, "password": self._password}
        self._take_token(self.ask(SIGN_IN, given)["signIn"])

    def vanish(self) -> None:
        """Deletes the account, if there is one."""
        self.token = None
        given = {"login": self.name, "password": self._password}
        outcome = self.ask(SIGN_IN, given)["signIn"]
        if outcome["__typename"] == "InvalidCredentialsError":
            return
        self._take_token(outcome)
        deleted = self.ask(DELETE, {"password": self._password})["deleteAccount"]
        self.token = None
        expect("AccountDeleted", deleted)

    def _take_token(self, outcome: Mapping[str, Any]) -> None:
        expect("SignedIn", outcome)
        self.token = outcome["accessToken"]


def _derived(secret: str, purpose: str) -> str:
    return hmac.new(secret.encode(), purpose.encode(), sha256).hexdigest()


def expect(type_: str, outcome: Mapping[str, Any]) -> None:
    if outcome["__typename"] != type_:
        raise StepFailedError(f"the outcome is {outcome['__typename']}")
