"""Row 4: sign-ins against Argon2 itself, and what `me` notices of them."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import argon2

from bench.load import Measured, Target, load
from bench.people import PASSWORD, Person, body, sign_in_target, sign_up
from bench.rounds import Effort, Ratio, medians, rows
from bench.stand import Running, Stand
from subgraphs.auth.passwords import Argon2Cost

ME = "{ me { id username email } }"


def sign_in(stand: Stand, effort: Effort) -> dict[str, Any]:
    auth = stand.service("auth")
    person = sign_up(stand, auth)
    signing_in = sign_in_target(stand, auth, person)
    me = _me(stand, auth, person)
    bare, through, quiet, busy = [], [], [], []
    load(me, seconds=1, connections=4)
    load(signing_in, seconds=1, connections=8)
    for _ in range(effort.rounds):
        bare.append(argon2_alone(effort.seconds))
        through.append(load(signing_in, seconds=effort.seconds, connections=8))
        quiet.append(load(me, seconds=effort.seconds, connections=1))
        with ThreadPoolExecutor(1) as beside:
            burst = beside.submit(load, signing_in, seconds=effort.seconds + 1, connections=8)
            time.sleep(0.5)
            busy.append(load(me, seconds=effort.seconds, connections=1))
            burst.result()
    limit, reached = median(bare), medians(through)
    figures = {
        "Argon2 alone, on all cores": Measured(limit, 1000 / limit, 1000 / limit),
        "signIn": reached,
        "me, while nobody signs in": medians(quiet),
        "me, while 8 sign in at a time": medians(busy),
    }
    return {
        "title": "Sign-in",
        "figures": rows(figures),
        "ratios": [
            Ratio("sign-ins to Argon2's limit", reached.rate / limit, "≥ 0.95"),
            Ratio(
                "median of me, during sign-ins to without", medians(busy).p50 / medians(quiet).p50
            ),
        ],
    }


def argon2_alone(seconds: float) -> float:
    """Verifications per second that the machine can do, in as many threads as it has cores."""
    cost = Argon2Cost()
    hasher = argon2.PasswordHasher(cost.passes, cost.memory_kib, cost.lanes)
    stored = hasher.hash(PASSWORD)
    end = time.monotonic() + seconds

    def verify() -> int:
        done = 0
        while time.monotonic() < end:
            hasher.verify(stored, PASSWORD)
            done += 1
        return done

    threads = os.cpu_count() or 1
    began = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        total = sum(pool.map(lambda _: verify(), range(threads)))
    return total / (time.monotonic() - began)


def _me(stand: Stand, auth: Running, person: Person) -> Target:
    headers = {
        "x-router-secret": stand.secret,
        "x-auth-user-id": str(person.id),
        "x-auth-username": person.username,
        "x-auth-scopes": "account:read",
        "x-auth-session-id": str(person.id),
        "x-auth-expires-at": "4102444800",
    }
    return Target(f"{auth.url}/graphql", body(ME), headers, auth.process.pid)
