"""No mail is lost: a whole system under traffic, with `kill -9` of random processes.

All tests include a run of 5 seconds; `make chaos-mail` runs it for CHAOS_SECONDS.
"""

import asyncio
import os
import random
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4, uuid5

import asyncpg
import httpx
import pytest
from redis import Redis

from chassis.events import Event
from client.api import ApiError, Data, connect, run, sign_up
from client.documents import CREATE_TWEET, RETWEET
from stack.commands import Commands
from stack.console import Console
from stack.ports import free_ports
from stack.process import Process
from stack.services import settings_of
from stack.supervisor import Stack
from tests.account_mails import MAIL_SECRET
from tests.stack import fresh_settings

pytestmark = pytest.mark.needs("tweets", "notifier")

SECONDS = float(os.environ.get("CHAOS_SECONDS", "5"))
SEED = int(os.environ.get("CHAOS_SEED") or secrets.randbelow(10**6))
AUTHORS, RETWEETERS, NEWCOMERS = 3, 6, 0.3
VICTIMS = ("notifier", "auth", "tweets", "postgres", "valkey", "smtp", "account mails")
NEVER = threading.Event()
T = TypeVar("T")


@dataclass
class World:
    """The system, its SMTP server, and the answers that its clients got."""

    stack: Stack
    smtp: Process
    account_mails: Process
    """Stands in for auth where the notifier asks for the content of mails about accounts."""
    folder: Path
    log: Path
    settings: dict[str, str]
    http: httpx.Client
    """The client of the public port."""
    acknowledged: set[tuple[UUID, UUID]] = field(default_factory=set)
    """(tweet, retweeter) of every retweet that was answered."""
    requested: set[UUID] = field(default_factory=set)
    """The id of every mail about an account whose event was committed to auth's outbox."""
    kills: Counter[str] = field(default_factory=Counter)

    def process(self, name: str) -> Process:
        ours = {"smtp": self.smtp, "account mails": self.account_mails}
        return ours.get(name) or self.stack.processes[name]

    def kill_and_restart(self, name: str, pause: float) -> None:
        self.process(name).kill()
        self.kills[name] += 1
        time.sleep(pause)
        self.process(name).start()
        self.process(name).wait_until_ready(NEVER)

    def accepted(self) -> list[tuple[str, str]]:
        """Return (Message-ID, answered or dropped) of every accepted mail."""
        lines = (self.folder / "accepted").read_text().splitlines()
        return [(line.split()[0], line.split()[1]) for line in lines]


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("chaos")
    settings = fresh_settings(folder / "settings.env") | {
        "MAILBOX_PORT": "0",  # the test has its own server
        "MAIL_TIMEOUT_SECONDS": "2",
        "MAIL_ATTEMPT_SECONDS": "4",
        "NOTIFIER_WINDOW_SECONDS": "3",
        "NOTIFIER_POLL_SECONDS": "1",
        "NOTIFIER_CLAIM_AFTER_SECONDS": "2",
        "NOTIFIER_RETRY_BASE_SECONDS": "1",
        "NOTIFIER_RETRY_CAP_SECONDS": "2",
        "NOTIFIER_RETRY_ATTEMPTS": "1000",
    }
    port, (auth_port,) = int(settings["MAIL_PORT"]), free_ports(1)
    settings |= {
        "NOTIFIER_AUTH_GRPC": f"127.0.0.1:{auth_port}",
        "ACCOUNT_MAIL_SECRET": MAIL_SECRET,
    }
    log = folder / "log"
    with log.open("w") as output:
        console = Console(output)
        command = [sys.executable, "-m", "tests.chaos.smtp_server", str(port), str(folder)]
        smtp = Process("smtp", command, console=console, ready=lambda: listens(port))
        command = [sys.executable, "-m", "tests.chaos.auth_server", str(auth_port), str(folder)]
        account_mails = Process(
            "account mails", command, console=console, ready=lambda: listens(auth_port)
        )
        stack = Stack(settings, folder / "data", Commands(console, NEVER))
        try:
            smtp.start()
            account_mails.start()
            stack.start()
            with connect(stack.url("edge"), seconds=20) as client:
                yield World(stack, smtp, account_mails, folder, log, settings, client)
        finally:
            stack.stop()
            account_mails.stop()
            smtp.stop()


class PersistentUser:
    """A user who repeats each operation until it succeeds."""

    def __init__(self, world: World, *, wants_mail: bool = False) -> None:
        self._http = world.http
        settings = {"retweets": wants_mail}
        # Another name each time, because a lost answer may have taken the last one.
        self._account = _repeat(lambda: sign_up(self._http, emailSettings=settings))
        self.id = UUID(self._account.id)
        if wants_mail:
            # As if the user had followed the link in the mail that verifies the address.
            verified = {"userId": str(self.id), "email": f"{self.id.hex}@example.com"}
            publish(world, "email-verified", self.id, verified)

    def run(self, query: str, **variables: str) -> Data:
        return _repeat(lambda: run(self._http, query, self._account, **variables))


def publish(world: World, kind: str, subject: UUID, data: dict[str, str]) -> None:
    """Commit an event to auth's outbox, as auth does. Repeats it until that succeeds."""
    event = Event(uuid5(subject, kind), "/auth", kind, str(subject), datetime.now(UTC), data)
    insert = "INSERT INTO outbox (event) VALUES ($1)"
    _repeat(lambda: run_sql(world, insert, event.to_json(), service="AUTH"))


def request_account_mail(world: World) -> None:
    mail_id = uuid4()
    publish(world, "account-mail-requested", mail_id, {"mailId": str(mail_id)})
    world.requested.add(mail_id)


def _repeat(operation: Callable[[], T]) -> T:
    while True:
        try:
            return operation()
        except (httpx.TransportError, ApiError, OSError, asyncpg.PostgresError):
            time.sleep(0.1)


def test_no_mail_is_lost(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(SEED)
    authors = [PersistentUser(world, wants_mail=True) for _ in range(AUTHORS)]
    retweeters = [PersistentUser(world) for _ in range(RETWEETERS)]
    over = threading.Event()

    def retweet(client: PersistentUser, number: int) -> None:
        luck = random.Random(SEED + number)
        while not over.is_set():
            if luck.random() < NEWCOMERS:
                # Their registration and their retweets reach the notifier in any order.
                authors.append(PersistentUser(world, wants_mail=True))
            author = luck.choice((luck.choice(authors), authors[-1]))
            created = author.run(CREATE_TWEET, text=f"tweet {luck.random()}")["createTweet"]
            # Several users retweet at once, so that digests form.
            client.run(RETWEET, id=created["id"])
            world.acknowledged.add((UUID(str(created["id"])), client.id))
            for other in luck.sample(retweeters, 2):
                other.run(RETWEET, id=created["id"])
                world.acknowledged.add((UUID(str(created["id"])), other.id))
            over.wait(luck.uniform(0.2, 0.6))

    def reset_passwords() -> None:
        while not over.is_set():
            request_account_mail(world)
            over.wait(0.3)

    (world.folder / "faults").touch()
    with ThreadPoolExecutor(4) as pool:
        flowing = [pool.submit(retweet, retweeters[n], n) for n in range(3)]
        flowing.append(pool.submit(reset_passwords))
        ends = time.monotonic() + SECONDS
        try:
            order = list(VICTIMS)
            while time.monotonic() < ends or order:
                if not order:
                    order = [*VICTIMS]
                victim = order.pop(chance.randrange(len(order)))
                over.wait(chance.uniform(0.2, 1.5))
                world.kill_and_restart(victim, chance.uniform(0, 1))
        finally:
            over.set()
        for done in flowing:
            done.result()
    (world.folder / "faults").unlink()

    # An operator would retry what the server refused for good.
    retried = retry_dead_letters(world)
    unsent = await_delivery(world)
    unsent_account_mails = world.requested - sent_account_mails(world)

    accepted = Counter(message_id for message_id, _ in world.accepted())
    answered = Counter(m for m, answer in world.accepted() if answer == "answered")
    twice = sum(count - 1 for count in answered.values())
    with capsys.disabled():
        print(  # noqa: T201
            f"\nchaos (seed {SEED}): {len(world.acknowledged)} retweets acknowledged, "
            f"{len(world.requested)} mails about accounts requested, "
            f"{len(accepted)} mails, {sum(world.kills.values())} kills {dict(world.kills)}, "
            f"{retried} dead letters retried; sent twice although the server had answered "
            f"250: {twice}; because it had dropped the connection: "
            f"{sum(accepted.values()) - len(accepted) - twice}; lost: "
            f"{len(unsent) + len(unsent_account_mails)}"
        )
    assert unsent == set()
    assert world.requested
    assert unsent_account_mails == set()
    codes = (world.folder / "codes").read_text().split()
    assert len(codes) >= 2 * len(world.requested)
    assert leaked(world, codes) == []
    # Possible only when the notifier or its database dies between the 250 and the commit.
    assert twice <= 4 * (world.kills["notifier"] + world.kills["postgres"])


def retry_dead_letters(world: World) -> int:
    """Retry every dead letter on the command line. Return their number."""
    command = [sys.executable, "-m", "notifier", "dead-letters"]
    environment = {**os.environ, **settings_of("notifier", world.settings)}

    def run(*arguments: str) -> str:
        return subprocess.run(
            [*command, *arguments], env=environment, capture_output=True, text=True, check=True
        ).stdout

    ids = [line.split()[0] for line in run("list").splitlines() if is_id(line.partition(" ")[0])]
    for letter in ids:
        run("retry", letter)
    return len(ids)


def is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def await_delivery(world: World) -> set[tuple[UUID, UUID]]:
    """Return the answered retweets that no accepted mail reports, after up to a minute.

    Waits for the mails about accounts, too.
    """
    deadline = time.monotonic() + 60
    while True:
        missing = world.acknowledged - reported(world)
        complete = not missing and world.requested <= sent_account_mails(world)
        if complete or time.monotonic() > deadline:
            return missing
        time.sleep(0.5)


def reported(world: World) -> set[tuple[UUID, UUID]]:
    """Return (tweet, retweeter) of every retweet in an accepted mail."""
    rows = run_sql(
        world,
        """
        SELECT n.tweet_id, n.retweeter_id, d.message_id FROM notices n
        JOIN deliveries d ON d.id = n.delivery_id AND d.state = 'sent'
        """,
    )
    accepted = {message_id for message_id, _ in world.accepted()}
    return {(row["tweet_id"], row["retweeter_id"]) for row in rows if row["message_id"] in accepted}


def sent_account_mails(world: World) -> set[UUID]:
    """Return the ids of the mails about accounts that the SMTP server has accepted."""
    rows = run_sql(
        world,
        """
        SELECT account_mail_id, message_id FROM deliveries
        WHERE account_mail_id IS NOT NULL AND state = 'sent'
        """,
    )
    accepted = {message_id for message_id, _ in world.accepted()}
    return {row["account_mail_id"] for row in rows if row["message_id"] in accepted}


def leaked(world: World, codes: list[str]) -> list[str]:
    """Return the places in which one of the codes, long or short, is stored or logged.

    Eight digits may occur by chance, so a short code is looked for as mails show it.
    """
    tables = run_sql(world, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    places = {"log": world.log.read_text()}
    for (table,) in tables:
        rows = run_sql(world, f'SELECT t::text FROM "{table}" t')
        places[f"table {table}"] = "\n".join(row[0] for row in rows)
    with Redis.from_url(world.settings["REDIS_URL"], decode_responses=True) as redis:
        for stream in redis.scan_iter(_type="stream"):
            places[f"stream {stream}"] = str(redis.xrange(stream))
    assert "deliveries" in str(places.keys())
    assert "stream events.auth" in places
    shown = [f"{c[:4]} {c[4:]}" if len(c) == 8 else c for c in codes]
    return [place for place, text in places.items() if any(code in text for code in shown)]


def run_sql(
    world: World, sql: str, *values: object, service: str = "NOTIFIER"
) -> list[asyncpg.Record]:
    """Return rows of a service's database, by default the notifier's."""

    async def ask() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(world.settings[f"{service}_DATABASE_URL"])
        try:
            return list(await connection.fetch(sql, *values))
        finally:
            await connection.close()

    return asyncio.run(ask())
