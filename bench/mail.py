"""Measure how fast the notifier sends e-mail: `python -m bench.mail`.

Throughput: the notifier's sender (with PostgreSQL, templates, headers and retries) and aiosmtplib
alone, which sends the same bytes over as many connections to the same sink, in alternating rounds.
Latency: from an event's entry in the stream to the sink, through the whole process.
"""

import argparse
import asyncio
import io
import multiprocessing
import os
import random
import re
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.queues import Queue  # noqa: TC003
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import aiosmtplib
import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session
from uuid_utils.compat import uuid7

from chassis.database import Database
from chassis.events import Event
from chassis.logging import configure_logging
from chassis.migrations import upgrade, versions_of
from chassis.settings import Stage
from chassis.shutdown import Shutdown
from chassis.streams import connect
from notifier.app import create_app, mail_sender, notifier_service
from notifier.domain import AccountMail, EmailSettings, Recipient, Retweet, Tweet
from notifier.service import NotifierService
from notifier.settings import Settings
from stack.console import Console
from stack.ports import free_ports
from stack.postgres import Postgres
from stack.valkey import valkey

Arrivals: TypeAlias = "Queue[tuple[float, bytes]]"

GRACE = uuid4()
TWEET_LINK = re.compile(rb"/tweets/([0-9a-f-]{36})")


# -- the sink ------------------------------------------------------------------------------------


class Sink:
    """Reports the arrival time and the content of each mail."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self._arrivals.put((monotonic(), envelope.original_content or b""))
        return "250 OK"


def serve_sink(port: int, arrivals: Arrivals) -> None:
    """Run aiosmtpd; the target of a separate process."""

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: SMTP(Sink(arrivals), hostname="sink"), "127.0.0.1", port
        )
        await server.serve_forever()

    uvloop.run(serve())


# -- the servers ---------------------------------------------------------------------------------


@contextmanager
def servers(connections: int) -> Iterator[tuple[Settings, Arrivals]]:
    """Run an empty PostgreSQL, an empty Valkey and the sink on free ports."""
    console, never = Console(io.StringIO()), threading.Event()
    with tempfile.TemporaryDirectory(prefix="chirp-bench-") as directory:
        data = Path(directory)
        data.chmod(0o755)  # PostgreSQL runs as another user where we are root
        postgres_port, redis_port, sink_port = free_ports(3)
        redis_url = f"redis://:secret@127.0.0.1:{redis_port}/0"
        database_url = f"postgresql://notifier:secret@127.0.0.1:{postgres_port}/notifier"
        postgres = Postgres(data, postgres_port, console)
        redis = valkey(data, redis_url, console)
        postgres.initialise(never)
        arrivals: Arrivals = multiprocessing.Queue()
        sink = multiprocessing.Process(target=serve_sink, args=(sink_port, arrivals), daemon=True)
        try:
            for process in (postgres.process, redis):
                process.start()
            sink.start()
            for process in (postgres.process, redis):
                process.wait_until_ready(never)
            postgres.create_databases([database_url])
            yield _settings(database_url, redis_url, sink_port, connections), arrivals
        finally:
            sink.terminate()
            redis.stop()
            postgres.process.stop()


def _settings(database_url: str, redis_url: str, port: int, connections: int) -> Settings:
    return Settings.from_env(
        {
            "ENVIRONMENT": "development",
            "NOTIFIER_HOST": "127.0.0.1",
            "NOTIFIER_PORT": "1",
            # Neither auth nor tweets runs: nothing answers there.
            "NOTIFIER_AUTH_URL": "http://127.0.0.1:1",
            "NOTIFIER_TWEETS_URL": "http://127.0.0.1:1",
            "NOTIFIER_AUTH_GRPC": "127.0.0.1:1",
            "NOTIFIER_DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "ROUTER_SECRET": "r" * 32,
            "NOTIFIER_UNSUBSCRIBE_SECRET": "u" * 32,
            "ACCOUNT_MAIL_SECRET": "m" * 32,
            "PUBLIC_URL": "http://localhost:4000",
            "MAIL_HOST": "127.0.0.1",
            "MAIL_PORT": str(port),
            "MAIL_SECURITY": "none",
            "MAIL_FROM": "Chirp <notifications@chirp.example>",
            "MAIL_CONNECTIONS": str(connections),
        }
    )


# -- throughput ----------------------------------------------------------------------------------


async def throughput(
    settings: Settings, arrivals: Arrivals, *, rounds: int, mails: int
) -> tuple[float, float]:
    """Mails per second of the notifier's sender, and of aiosmtplib alone: medians."""
    database = Database(settings.database_url)
    await database.connect()
    try:
        service = notifier_service(settings, database)
        ours, alone = [], []
        content: list[bytes] = []
        for number in range(rounds + 1):
            for _ in range(mails):
                await service.report_retweet(uuid4(), *_retweet(await _author(service)))
            mailer, sender = mail_sender(settings, database, NoAccountMails())
            async with mailer.open():
                started = perf_counter()
                await sender.deliver_due()
                ours.append(mails / (perf_counter() - started))
            content = [raw for _, raw in await _collect(arrivals, mails)]
            started = perf_counter()
            await _send_alone(settings, content)
            alone.append(mails / (perf_counter() - started))
            await _collect(arrivals, mails)
            if number:  # the first round warms up
                print(f"  round {number}: {ours[-1]:6.0f}/s, alone {alone[-1]:6.0f}/s")
        return statistics.median(ours[1:]), statistics.median(alone[1:])
    finally:
        await database.disconnect()


class NoAccountMails:
    async def fetch(self, mail_id: UUID) -> AccountMail:
        raise AssertionError(mail_id)


async def _send_alone(settings: Settings, contents: list[bytes]) -> None:
    waiting = iter(contents)

    async def send() -> None:
        async with aiosmtplib.SMTP(
            hostname=settings.smtp.host, port=settings.smtp.port, start_tls=False
        ) as connection:
            for content in waiting:
                await connection.sendmail(settings.sender.addr_spec, ["ada@example.com"], content)

    await asyncio.gather(*(send() for _ in range(settings.smtp.connections)))


async def _author(service: NotifierService) -> UUID:
    """Register a new user who wants mail: a user gets one mail in a window."""
    author = uuid7()
    user = Recipient(
        author,
        EmailSettings(retweets=True),
        "ada",
        f"{author.hex}@example.com",
        email_verified_at=datetime.now(UTC),
    )
    await service.save_user(uuid4(), user)
    return author


def _retweet(author: UUID) -> tuple[Tweet, Retweet]:
    text = "A tweet of ordinary length, such as one reads every day, with a <tag> & an emoji 🐦."
    tweet = Tweet(uuid7(), author, text)
    return tweet, Retweet(uuid7(), tweet.id, GRACE, "grace")


async def _collect(arrivals: Arrivals, number: int) -> list[tuple[float, bytes]]:
    return [await asyncio.to_thread(arrivals.get, True, 30) for _ in range(number)]


# -- latency -------------------------------------------------------------------------------------


async def latency(
    settings: Settings, arrivals: Arrivals, *, mails: int, rate: float
) -> list[float]:
    """Return the milliseconds from each event's entry in the stream to the sink, sorted."""
    app = create_app(settings, Shutdown())
    database = Database(settings.database_url)
    await database.connect()
    service = notifier_service(settings, database)
    authors = [await _author(service) for _ in range(mails)]
    await database.disconnect()
    entered: dict[bytes, float] = {}
    async with app.router.lifespan_context(app), connect(settings.redis_url) as redis:
        for author in authors:
            tweet, retweet = _retweet(author)
            event = _event(tweet, retweet)
            entered[str(tweet.id).encode()] = monotonic()
            await redis.xadd("events.tweets", {"event": event.to_json()})
            await asyncio.sleep(random.expovariate(rate))
        found = await _collect(arrivals, mails)
    milliseconds = []
    for arrived, raw in found:
        match = TWEET_LINK.search(raw.replace(b"=\r\n", b""))
        assert match
        milliseconds.append((arrived - entered[match[1]]) * 1000)
    return sorted(milliseconds)


def _event(tweet: Tweet, retweet: Retweet) -> Event:
    data: dict[str, Any] = {
        "retweetId": str(retweet.id),
        "tweetId": str(tweet.id),
        "text": tweet.text,
        "authorId": str(tweet.author_id),
        "retweeterId": str(retweet.retweeter_id),
        "retweeterUsername": retweet.username,
    }
    return Event(uuid4(), "/bench", "tweet-retweeted", str(tweet.id), datetime.now(UTC), data)


# -- the report ----------------------------------------------------------------------------------


async def measure(arguments: argparse.Namespace, settings: Settings, arrivals: Arrivals) -> None:
    await upgrade(settings.database_url, versions_of("notifier"))
    print(f"{arguments.mails} mails a round over {arguments.connections} connections")
    ours, alone = await throughput(
        settings, arrivals, rounds=arguments.rounds, mails=arguments.mails
    )
    print(f"notifier {ours:.0f}/s, aiosmtplib alone {alone:.0f}/s: ratio {ours / alone:.2f}")
    rate = arguments.rate
    times = await latency(settings, arrivals, mails=arguments.events, rate=rate)
    middle, last = statistics.median(times), times[int(len(times) * 0.99)]
    print(
        f"event to sink at {rate:.0f} events/s, {len(times)} events: "
        f"median {middle:.1f} ms, p99 {last:.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.mail", description=__doc__)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mails", type=int, default=500, help="in each round")
    parser.add_argument("--events", type=int, default=500, help="for the latency")
    parser.add_argument("--rate", type=float, default=20.0, help="events per second")
    arguments = parser.parse_args()
    # Formatted and written as in production, and discarded.
    configure_logging("bench", Stage.PRODUCTION, Path(os.devnull).open("w"))  # noqa: SIM115
    with servers(arguments.connections) as (settings, arrivals):
        uvloop.run(measure(arguments, settings, arrivals))


if __name__ == "__main__":
    main()
