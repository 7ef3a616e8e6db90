"""Somebody with an account and a token, as the auth service gives them."""

import json
import secrets
from dataclasses import dataclass
from uuid import UUID

from bench.load import Target
from bench.testbed import Running, Stand
from bench.timeline import ask

PASSWORD = "correct horse battery"  # noqa: S105
SIGN_UP = """mutation ($input: SignUpInput!) { signUp(input: $input) {
    ... on SignedIn { accessToken user { id } } ... on Error { message } } }"""
SIGN_IN = """mutation ($input: SignInInput!) { signIn(input: $input) {
    ... on SignedIn { accessToken } ... on Error { message } } }"""


@dataclass(frozen=True, slots=True)
class Person:
    id: UUID
    username: str
    token: str

    @property
    def authorization(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


def body(query: str, **variables: object) -> bytes:
    return json.dumps({"query": query, "variables": variables}).encode()


def sign_up(stand: Stand, auth: Running) -> Person:
    return sign_up_at(auth.url, {"x-router-secret": stand.secret})


def sign_up_at(url: str, headers: dict[str, str]) -> Person:
    """At the auth service, or through an edge."""
    name = f"u{secrets.token_hex(6)}"
    given = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    answer = ask(Target(f"{url}/graphql", body(SIGN_UP, input=given), headers))
    found = answer["data"]["signUp"]
    return Person(UUID(found["user"]["id"]), name, found["accessToken"])


def sign_in_target(stand: Stand, auth: Running, person: Person) -> Target:
    wanted = body(SIGN_IN, input={"login": person.username, "password": PASSWORD})
    return Target(
        f"{auth.url}/graphql", wanted, {"x-router-secret": stand.secret}, auth.process.pid
    )
