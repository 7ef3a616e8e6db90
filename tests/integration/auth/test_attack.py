"""Guesses at one password from many networks, against the service with PostgreSQL and Valkey.

`ATTACK_ATTEMPTS=100000` makes that many guesses, instead of those that take a few seconds.
"""

import asyncio
import os
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from statistics import median
from time import perf_counter
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from chassis.database import Database
from chassis.shutdown import Shutdown
from subgraphs.auth import adapters, throttle
from subgraphs.auth.app import create_app
from subgraphs.auth.limits import Limits
from subgraphs.auth.passwords import Argon2PasswordHasher
from subgraphs.auth.settings import Settings
from tests.integration.auth.test_app import SECRET, environment, started

ATTEMPTS = int(os.environ.get("ATTACK_ATTEMPTS", "1000"))
NETWORKS = 1_000
TOGETHER = 10
MOST_MUTATIONS = 5
PASSWORD = "correct horse"
LOGINS = ["ada", "ADA", " ada\t", "ada@example.com", "Ada@EXAMPLE.com"]
"""Every one names the same account."""
FRAGMENT = """fragment F on SignInResult {
    __typename
    ... on SignedIn { deviceToken }
    ... on Error { message }
    ... on TooManyAttemptsError { retryAfter }
}"""
SIGN_UP = f"""mutation {{ signUp(input: {{
    username: "ada", email: "ada@example.com", password: "{PASSWORD}"
}}) {{ ... on SignedIn {{ deviceToken }} }} }}"""


@dataclass
class Hasher(Argon2PasswordHasher):
    """Counts the passwords that are compared with the hash of an account."""

    reached: list[str] = field(default_factory=list)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        if password_hash is not None:
            self.reached.append(password)
        return await super().verify(password_hash, password)


@dataclass
class Service:
    http: httpx.AsyncClient
    reached: list[str]

    async def run(self, document: str, address: str) -> dict[str, Any]:
        answer = await self.post(document, address)
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def post(self, document: str, address: str) -> httpx.Response:
        headers = {"x-router-secret": SECRET, "x-client-address": address}
        return await self.http.post("/graphql", json={"query": document}, headers=headers)


@pytest.fixture
async def service(
    database: Database,
    auth_database_url: str,
    valkey_url: str,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Service]:
    """The service with hashes that cost nothing, so that no other cost hides behind them."""
    reached: list[str] = []

    def hasher(*given: Any, **more: Any) -> Hasher:
        made = Hasher.__new__(Hasher)
        Argon2PasswordHasher.__init__(made, *given, **more)
        made.reached = reached
        return made

    monkeypatch.setattr(adapters, "Argon2PasswordHasher", hasher)
    # On a busy machine a late answer would count as an outage, in which each process counts alone.
    monkeypatch.setattr(throttle, "_PATIENCE", 60)
    cheap = {"AUTH_ARGON2_MEMORY_KIB": "8", "AUTH_ARGON2_PASSES": "1"}
    patient = f"{valkey_url}?socket_timeout=60"
    given = environment(auth_database_url, patient) | cheap | getattr(request, "param", {})
    app = create_app(Settings.from_env(given), Shutdown())
    transport = httpx.ASGITransport(app)
    async with (
        started(app),
        httpx.AsyncClient(transport=transport, base_url="http://auth", timeout=60) as http,
    ):
        yield Service(http, reached)


def sign_in(alias: str, login: str, password: str, device_token: str = "") -> str:
    known = f', deviceToken: "{device_token}"' if device_token else ""
    given = f'login: "{login}", password: "{password}"{known}'
    return f"{alias}: signIn(input: {{{given}}}) {{ ...F }}"


def document(*fields: str) -> str:
    return f"mutation {{ {' '.join(fields)} }} {FRAGMENT}"


def an_address(chance: random.Random) -> str:
    """Return an address in one of NETWORKS; half of them are of IPv6."""
    number = chance.randrange(NETWORKS)
    if number % 2:
        return str(IPv4Address("198.18.0.0") + number)
    return str(IPv6Address("2001:db8::") + (number << 64) + chance.getrandbits(64))


@pytest.mark.asvs("6.3.1")
@pytest.mark.timeout(120 + ATTEMPTS // 5)
async def test_guesses_of_many_networks_stay_within_the_budget_and_the_owner_signs_in(
    service: Service, show_figure: Callable[[str], None]
) -> None:
    chance = random.Random(7)
    owner = "192.0.2.1"
    device = (await service.run(SIGN_UP, owner))["signUp"]["deviceToken"]
    answers: Counter[str] = Counter()
    began = perf_counter()
    numbers = iter(range(ATTEMPTS))

    async def attack() -> None:
        for number in numbers:
            password = PASSWORD if number > ATTEMPTS // 2 else f"guess {number}"
            guesses = [
                sign_in(f"s{n}", chance.choice(LOGINS), password) for n in range(MOST_MUTATIONS)
            ]
            for _ in range(MOST_MUTATIONS - 1):
                next(numbers, None)
            found = await service.run(document(*guesses), an_address(chance))
            answers.update(each["__typename"] for each in found.values())

    async def owns() -> int:
        """Sign in from the known device all along. Returns how often."""
        nonlocal device
        for done in range(1, 1_000_000):
            login = LOGINS[done % len(LOGINS)]
            answer = await service.run(document(sign_in("s", login, PASSWORD, device)), owner)
            assert answer["s"]["__typename"] == "SignedIn"
            device = answer["s"]["deviceToken"]
            if sum(answers.values()) >= ATTEMPTS:
                return done
            await asyncio.sleep(0.2)
        raise AssertionError("the attack does not end")

    async with asyncio.TaskGroup() as tasks:
        attackers = [tasks.create_task(attack()) for _ in range(TOGETHER)]
        owned = tasks.create_task(owns())
    assert all(attacker.done() for attacker in attackers)

    budget = Limits().passwords_per_account
    refilled = (perf_counter() - began) * budget / Limits().period.total_seconds()
    reached = len(service.reached) - owned.result()
    assert budget <= reached <= budget + refilled
    assert sum(answers.values()) >= ATTEMPTS
    # The right password, in the second half: only with an attempt that was refilled meanwhile.
    assert answers["SignedIn"] <= refilled
    # Of the username and of the address: those beyond the budget of the account reach no hash.
    assert 2 * budget <= answers["InvalidCredentialsError"] <= 2 * (budget + refilled)
    rate = ATTEMPTS / (perf_counter() - began)
    show_figure(
        f"{ATTEMPTS:,} guesses, {rate:.0f} a second: {reached} reached the hash; the owner signed "
        f"in {owned.result()} times meanwhile",
    )


async def compared(
    service: Service, attempts: int, addresses: random.Random
) -> tuple[list[float], list[float]]:
    """Guess at a known and at an unknown login by turns. Returns the seconds of each answer."""
    took: dict[str, list[float]] = {"ada": [], "eve": []}
    for _ in range(attempts):
        bodies, retry_after = [], []
        for login in chosen_order(addresses):
            began = perf_counter()
            answer = await service.post(
                document(sign_in("s", login, "wrong password")), an_address(addresses)
            )
            took[login].append(perf_counter() - began)
            bodies.append(re.sub(rb"\d+", b"#", answer.content))
            retry_after.append(answer.json()["data"]["s"].get("retryAfter", 0))
            assert answer.status_code == 200
        # The bytes are the same, but for a wait that shrinks between the two attempts.
        assert bodies[0] == bodies[1]
        assert abs(retry_after[0] - retry_after[1]) <= 1
    return took["ada"], took["eve"]


def chosen_order(chance: random.Random) -> list[str]:
    return chance.sample(["ada", "eve"], 2)


class TestUnknownLogin:
    """Its name is as long as the known one, so that no byte differs."""

    @pytest.mark.parametrize("service", [{"AUTH_PASSWORDS_PER_ACCOUNT": "400"}], indirect=True)
    async def test_wrong_password_and_unknown_login_answer_the_same_in_the_same_time(
        self, service: Service
    ) -> None:
        await service.run(SIGN_UP, "192.0.2.1")
        known, unknown = await compared(service, 200, random.Random(1))
        assert len(service.reached) == 200
        assert 0.8 < median(known) / median(unknown) < 1.25

    async def test_refusals_of_known_and_unknown_logins_take_the_same_time(
        self, service: Service
    ) -> None:
        await service.run(SIGN_UP, "192.0.2.1")
        chance = random.Random(2)
        await compared(service, Limits().passwords_per_account, chance)
        known, unknown = await compared(service, 200, chance)
        assert len(service.reached) == Limits().passwords_per_account
        assert 0.8 < median(known) / median(unknown) < 1.25

    async def test_attempts_beyond_those_of_the_account_take_the_time_of_a_hash(
        self, service: Service
    ) -> None:
        """The address of an account whose username used the attempts up, and an unknown one."""
        await service.run(SIGN_UP, "192.0.2.1")
        chance = random.Random(3)
        for _ in range(2 * Limits().passwords_per_account):
            await service.run(document(sign_in("s", "ada", "wrong password")), an_address(chance))
        answers = []
        for login in ("ada@example.com", "eve@example.com"):
            for _ in range(Limits().passwords_per_account + 5):
                guess = document(sign_in("s", login, "wrong password"))
                answer = await service.post(guess, an_address(chance))
                answers.append(re.sub(rb"\d+", b"#", answer.content))
        middle = len(answers) // 2
        assert answers[:middle] == answers[middle:]
        assert len(service.reached) == Limits().passwords_per_account
