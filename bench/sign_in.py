"""Row 4: sign-ins compared with Argon2 alone, and the latency of `me` during sign-ins."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import Any

import argon2

from bench.load import LoadError, Measured, Target, graphql_body, load
from bench.rounds import Effort, Ratio, medians, rows
from bench.testbed import Running, Testbed
from bench.timeline import ask
from client.api import Account, sign_up
from subgraphs.auth.passwords import Argon2Cost

_TOGETHER = 8
SIGN_IN = """mutation ($input: SignInInput!) { signIn(input: $input) {
    ... on SignedIn { accessToken } ... on Error { message } } }"""
ME = "{ me { id username email } }"


def sign_in(testbed: Testbed, effort: Effort) -> dict[str, Any]:
    auth = testbed.service("auth")
    url = testbed.settings["AUTH_DATABASE_URL"]
    by_hand = testbed.python("hand-written", "bench.handwritten_sign_in", AUTH_DATABASE_URL=url)
    user = sign_up(testbed.client(auth))
    login = {"login": user.username, "password": user.password}
    ours = Target(
        f"{auth.url}/graphql",
        graphql_body(SIGN_IN, input=login),
        {"x-router-secret": testbed.secret},
        auth.process.pid,
    )
    hand = replace(ours, url=f"{by_hand.url}/graphql", pid=by_hand.process.pid)
    me = _me(testbed, auth, user)
    for target in (ours, hand):
        if not ask(target)["data"]["signIn"].get("accessToken"):
            raise LoadError(f"{target.url} refuses the sign-in.")
    for target in (me, ours, hand):
        load(target, seconds=1, connections=_TOGETHER)

    # Long, because sign-ins that are unfinished when a measurement ends are not counted.
    seconds = 2 * effort.seconds
    bare, through, manual, quiet, busy = [argon2_alone(seconds, user.password)], [], [], [], []
    for _ in range(effort.rounds):
        through.append(_burst(ours, seconds))
        bare.append(argon2_alone(seconds, user.password))
        manual.append(_burst(hand, seconds))
        bare.append(argon2_alone(seconds, user.password))
    for _ in range(effort.rounds):
        quiet.append(load(me, seconds=effort.seconds, connections=1))
        with ThreadPoolExecutor(1) as beside:
            burst = beside.submit(_burst, ours, effort.seconds + 1)
            time.sleep(0.5)
            busy.append(load(me, seconds=effort.seconds, connections=1))
            burst.result()

    limit = median(bare)
    figures = {
        "Argon2 alone, on all cores": Measured(limit, 1000 / limit, 1000 / limit),
        "signIn": medians(through),
        "hand-written: Starlette, asyncpg, PyJWT": medians(manual),
        "me, without sign-ins": medians(quiet),
        "me, during 8 concurrent sign-ins": medians(busy),
    }
    # Each burst is compared with Argon2 alone just before and just after it.
    limits = [(before + after) / 2 for before, after in pairwise(bare)]
    reached = median(m.rate / here for m, here in zip(through, limits[::2], strict=True))
    reached_by_hand = median(m.rate / here for m, here in zip(manual, limits[1::2], strict=True))
    return {
        "title": f"Sign-in, {seconds:g} s of each in a round",
        "figures": rows(figures),
        "ratios": [
            Ratio("sign-ins to Argon2 alone", reached, "≥ 0.95"),
            Ratio("hand-written sign-ins to Argon2 alone", reached_by_hand),
            Ratio(
                "median of me, during sign-ins to without", medians(busy).p50 / medians(quiet).p50
            ),
        ],
    }


def _burst(target: Target, seconds: float) -> Measured:
    """Sign in for `seconds`, then wait until the abandoned sign-ins are done."""
    found = load(target, seconds=seconds, connections=_TOGETHER)
    time.sleep(0.5)
    return found


def argon2_alone(seconds: float, password: str) -> float:
    """Return the verifications per second of one thread per core."""
    cost = Argon2Cost()
    hasher = argon2.PasswordHasher(cost.passes, cost.memory_kib, cost.lanes)
    stored = hasher.hash(password)
    end = time.monotonic() + seconds

    def verify() -> int:
        done = 0
        while time.monotonic() < end:
            hasher.verify(stored, password)
            done += 1
        return done

    threads = os.cpu_count() or 1
    began = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        total = sum(pool.map(lambda _: verify(), range(threads)))
    return total / (time.monotonic() - began)


def _me(testbed: Testbed, auth: Running, user: Account) -> Target:
    headers = {
        "x-router-secret": testbed.secret,
        "x-auth-user-id": str(user.id),
        "x-auth-username": user.username,
        "x-auth-scopes": "account:read",
        "x-auth-session-id": str(user.id),
        "x-auth-expires-at": "4102444800",
    }
    return Target(f"{auth.url}/graphql", graphql_body(ME), headers, auth.process.pid)
