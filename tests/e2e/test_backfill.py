"""A notifier that lost its database restores it from auth while accounts come and go."""

import asyncio
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from chassis.topology import declared
from client.api import Account, run, sign_up
from stack.ports import free_ports
from tests.e2e.test_mail import OPT_IN
from tests.e2e.test_watching import metrics_of
from tests.stack import ON_ONE_ROUTER, RunningStack, eventually

pytestmark = [pytest.mark.needs("tweets", "notifier"), ON_ONE_ROUTER]

DELETE = """mutation ($password: String!) { deleteAccount(password: $password) { __typename } }"""
SNAPSHOT = "/events/snapshot"


def query(stack: RunningStack, service: str, statement: str) -> list[Any]:
    async def ask() -> list[Any]:
        connection = await asyncpg.connect(stack.settings[f"{service.upper()}_DATABASE_URL"])
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


class People:
    """Accounts that are created, changed and deleted, and the rows that this should leave."""

    def __init__(self, edge: httpx.Client) -> None:
        self._edge = edge
        self._accounts: list[Account] = []
        self.deleted: set[str] = set()
        self.expected: dict[str, tuple[str, bool]] = {}

    def come(self) -> Account:
        account = sign_up(self._edge)
        self._accounts.append(account)
        self.expected[account.id] = (account.username, False)
        return account

    def choose(self, account: Account, *, retweets: bool) -> None:
        run(self._edge, OPT_IN, account, on=retweets)
        self.expected[account.id] = (account.username, retweets)

    def go(self, account: Account) -> None:
        run(self._edge, DELETE, account, password=account.password)
        del self.expected[account.id]
        self.deleted.add(account.id)

    def are_known(self, stack: RunningStack, service: str, statement: str) -> bool:
        rows = {str(row["id"]): row for row in query(stack, service, statement)}
        known = {
            each: (rows[each]["username"], bool(rows[each]["retweets"]))
            for each in self.expected.keys() & rows.keys()
        }
        return known == self.expected and not self.deleted & rows.keys()

    def are_recipients(self, stack: RunningStack) -> bool:
        return self.are_known(
            stack,
            "notifier",
            "SELECT user_id AS id, username, retweets FROM recipients WHERE email IS NOT NULL",
        )

    def are_accounts(self, stack: RunningStack) -> bool:
        return self.are_known(
            stack, "auth", "SELECT id, username, retweet_emails AS retweets FROM users"
        )


@contextmanager
def coming_and_going(people: People) -> Iterator[None]:
    """Create and delete accounts while the block runs."""
    over = threading.Event()

    def live() -> None:
        while not over.is_set():
            stays, goes = people.come(), people.come()
            people.go(goes)
            assert stays.id in people.expected

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def empty(stack: RunningStack, service: str) -> None:
    """Empty the database of a service, as if it were new."""
    rows = query(
        stack,
        service,
        """
        SELECT string_agg(quote_ident(tablename), ', ') AS tables FROM pg_tables
        WHERE schemaname = 'public' AND tablename NOT LIKE 'alembic%'
        """,
    )
    query(stack, service, f"TRUNCATE {rows[0]['tables']}")


class TestLostDatabase:
    def test_backfill_restores_the_recipients(
        self, stack: RunningStack, edge: httpx.Client
    ) -> None:
        people = People(edge)
        accounts = [people.come() for _ in range(6)]
        for account in accounts[:3]:
            people.choose(account, retweets=True)
        people.choose(accounts[2], retweets=False)
        people.go(accounts[3])
        eventually(lambda: people.are_recipients(stack), "the notifier knows everybody")
        eventually(lambda: people.are_accounts(stack), "auth knows what they chose")

        stack.kill("notifier")
        empty(stack, "notifier")
        with coming_and_going(people):
            people.go(accounts[4])
            stack.restart("notifier")
            people.choose(accounts[0], retweets=False)
            people.choose(accounts[5], retweets=True)
            name = 'chirp_backfill_finished{"owner": "auth"}'
            eventually(lambda: metrics_of(stack.notifier_url).get(name) == 1, "it has asked auth")
        eventually(lambda: people.are_recipients(stack), "the notifier knows everybody again")
        eventually(lambda: people.are_accounts(stack), "and auth")


class TestBackfillCommand:
    def test_prints_its_progress(self, stack: RunningStack, edge: httpx.Client) -> None:
        people = People(edge)
        people.come()
        eventually(lambda: people.are_recipients(stack), "the notifier knows everybody")
        assert "auth: already finished" in backfill(stack)
        output = backfill(stack, "--again")
        assert re.search(r"auth: \d+ events finished", output)
        assert "tweets" not in output  # a retweet of the past is not mailed

    def test_names_an_unavailable_owner(self, stack: RunningStack) -> None:
        settings = stack.settings | {"NOTIFIER_AUTH_URL": f"http://127.0.0.1:{free_ports(1)[0]}"}
        done = command(settings, "--again")
        assert done.returncode == 1
        assert "backfill interrupted: auth at http://127.0.0.1" in done.stderr
        assert "auth: " in backfill(stack)  # goes on


def backfill(stack: RunningStack, *options: str) -> str:
    done = command(stack.settings, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def command(settings: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "notifier", "backfill", *options],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize(
    "path",
    [
        SNAPSHOT,
        f"/graphql{SNAPSHOT}",
        f"/graphql/..{SNAPSHOT}",
        f"/email/..{SNAPSHOT}",
        f"/email/%2e%2e{SNAPSHOT}",
        *(f"/{name}{SNAPSHOT}" for name in declared().services),
    ],
)
def test_snapshots_are_not_reachable_through_the_edge(
    edge: httpx.Client, stack: RunningStack, method: str, path: str
) -> None:
    """Not even with the secret that the services share."""
    secret = {"x-router-secret": stack.settings["ROUTER_SECRET"]}
    # The client must not normalise the path.
    answer = edge.request(
        method, httpx.URL(stack.url).copy_with(raw_path=path.encode()), headers=secret
    )
    assert answer.status_code >= 400
    assert '"events"' not in answer.text
    for url in (stack.auth_url, stack.tweets_url, stack.notifier_url):
        assert httpx.get(url + SNAPSHOT, trust_env=False).status_code == 403
        assert httpx.get(url + SNAPSHOT, headers=secret, trust_env=False).status_code == 200
