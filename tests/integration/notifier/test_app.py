"""The whole application: from an event in the stream to a mail at the SMTP server."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis.asyncio import Redis
from starlette.applications import Starlette
from uuid_utils.compat import uuid7

from chassis.broadcast import Publisher, subscribers_key
from chassis.database import Database
from chassis.events import Event
from chassis.principal import Principal
from chassis.sessions.revocations import STREAM as REVOCATIONS
from chassis.shutdown import Shutdown
from notifier.account_mails_pb2 import GetMailResponse, Kind
from notifier.app import create_app
from notifier.settings import Settings
from stack.ports import free_ports
from tests.account_mails import MAIL_SECRET, mail
from tests.integration.conftest import FakeAuth
from tests.integration.notifier.smtp import Fault, SmtpSink
from tests.settings import addresses

ADA, GRACE, JOAN, KEN = (uuid4() for _ in range(4))
SECRET = "r" * 32
Handled = Callable[[int], Awaitable[None]]


def environment(database_url: str, redis_url: str, sink: SmtpSink, **more: str) -> dict[str, str]:
    return addresses("notifier") | {
        "ENVIRONMENT": "development",
        "NOTIFIER_DATABASE_URL": database_url,
        "NOTIFIER_UNSUBSCRIBE_SECRET": "u" * 32,
        "ACCOUNT_MAIL_SECRET": MAIL_SECRET,
        "REDIS_URL": redis_url,
        "ROUTER_SECRET": SECRET,
        "PUBLIC_URL": "http://localhost:4000",
        "MAIL_HOST": "127.0.0.1",
        "MAIL_PORT": str(sink.port),
        "MAIL_SECURITY": "none",
        "MAIL_FROM": "Chirp <notifications@chirp.example>",
        "NOTIFIER_RETRY_BASE_SECONDS": "1",
        "NOTIFIER_POLL_SECONDS": "1",
        "NOTIFIER_WINDOW_SECONDS": "1",
        **more,
    }


async def publish(redis: Redis, stream: str, kind: str, data: dict[str, Any]) -> Event:
    event = Event(uuid4(), "/test", kind, "subject", datetime.now(UTC), data)
    await redis.xadd(f"events.{stream}", {"event": event.to_json()})
    return event


async def register(redis: Redis, user_id: UUID, username: str, *, retweets: bool) -> None:
    await publish(
        redis,
        "auth",
        "user-registered",
        {
            "userId": str(user_id),
            "username": username,
            "email": f"{username}@example.com",
            "emailSettings": {"retweets": retweets},
            "emailVerifiedAt": "2026-11-01T12:00:00Z",
        },
    )


async def retweet(
    redis: Redis, tweet_id: UUID, retweeter: UUID, username: str, *, author: UUID = ADA
) -> Event:
    return await publish(
        redis,
        "tweets",
        "tweet-retweeted",
        {
            "retweetId": str(uuid7()),
            "tweetId": str(tweet_id),
            "text": "Hello <world>",
            "authorId": str(author),
            "authorUsername": "ada",
            "retweeterId": str(retweeter),
            "retweeterUsername": username,
            "retweetCount": 1,
            "createdAt": "2026-11-01T12:00:00Z",
        },
    )


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notifier") as client,
    ):
        yield client


@pytest.fixture
async def client(
    database: Database,
    notifier_url: str,
    redis: Redis,
    valkey_url: str,
    sink: SmtpSink,
    auth_grpc: FakeAuth,
) -> AsyncIterator[httpx.AsyncClient]:
    variables = environment(notifier_url, valkey_url, sink, NOTIFIER_AUTH_GRPC=auth_grpc.address)
    app = create_app(Settings.from_env(variables), Shutdown())
    async with running(app) as client:
        yield client


@pytest.fixture
async def handled(client: httpx.AsyncClient, redis: Redis, database: Database) -> Handled:
    """Wait until so many events are handled."""

    async def wait(number: int) -> None:
        async with asyncio.timeout(20):
            while await count(database, "SELECT count(*) FROM inbox") < number:
                await asyncio.sleep(0.01)

    return wait


async def count(database: Database, query: str) -> int:
    number: int = await database.read(lambda connection: connection.fetch_val(query))
    return number


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found
    return str(found.get_content())


def unsubscribe_path(mail: EmailMessage) -> str:
    (link,) = re.findall(
        r"^<http://localhost:4000(/email/unsubscribe\?token=[^>]+)>$", mail["List-Unsubscribe"]
    )
    return str(link)


class TestAccountMail:
    async def test_it_is_fetched_from_auth_and_sent(
        self,
        client: httpx.AsyncClient,
        redis: Redis,
        sink: SmtpSink,
        auth_grpc: FakeAuth,
        database: Database,
    ) -> None:
        mail_id = uuid4()
        auth_grpc.mail = lambda asked: mail() if asked == mail_id else GetMailResponse()
        await publish(redis, "auth", "account-mail-requested", {"mailId": str(mail_id)})
        await until(lambda: sink.mails)
        (sent,) = sink.mails
        assert sent["Subject"] == "Reset your password"
        assert sent["To"] == "ada <ada@example.com>"
        assert sent["Auto-Submitted"] == "auto-generated"
        for name in ("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Precedence"):
            assert name not in sent
        for kind in ("plain", "html"):
            content = part(sent, kind)
            assert "http://localhost:4000/account/reset-password?code=c0de" in content
            assert "1234 5678" in content
            assert "10 minutes" in content
        stored = await database.read(
            lambda c: c.fetch_val("SELECT string_agg(d::text, '') FROM deliveries d")
        )
        assert str(mail_id) in stored
        without_ids = re.sub("[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", "", stored)
        for private in ("c0de", "1234", "ada"):
            assert private not in without_ids

    async def test_refused_address_gets_only_verification_mails_until_it_is_verified(
        self,
        client: httpx.AsyncClient,
        redis: Redis,
        sink: SmtpSink,
        auth_grpc: FakeAuth,
        handled: Handled,
    ) -> None:
        await register(redis, ADA, "ada", retweets=True)
        await handled(1)
        sink.plan("RCPT", "550 5.1.1 <ada@example.com> unknown")
        await retweet(redis, uuid7(), GRACE, "grace")
        await until(lambda: "RCPT" in sink.commands)
        while (since := (await settings_of_ada(client))["undeliverableSince"]) is None:
            await asyncio.sleep(0.01)
        assert datetime.fromisoformat(since) <= datetime.now(UTC)
        for kind in (Kind.KIND_PASSWORD_CHANGED, Kind.KIND_VERIFY_EMAIL):
            auth_grpc.mail = lambda _, kind=kind: mail(kind=kind)  # type: ignore[misc]
            await publish(redis, "auth", "account-mail-requested", {"mailId": str(uuid4())})
            await handled(3 if kind == Kind.KIND_PASSWORD_CHANGED else 4)
            await asyncio.sleep(0.5)
        await until(lambda: sink.mails)
        await publish(
            redis, "auth", "email-verified", {"userId": str(ADA), "email": "ada@example.com"}
        )
        await until(lambda: len(sink.mails) == 2)
        subjects = [sent["Subject"] for sent in sink.mails]
        assert subjects == ["Verify your address", "grace retweeted your tweet"]
        assert (await settings_of_ada(client))["undeliverableSince"] is None


class TestRetweet:
    async def test_each_author_gets_exactly_one_mail(
        self, client: httpx.AsyncClient, redis: Redis, sink: SmtpSink, handled: Handled
    ) -> None:
        await register(redis, ADA, "ada", retweets=True)
        await register(redis, KEN, "ken", retweets=True)
        await handled(2)
        tweet_id = uuid7()
        event = await retweet(redis, tweet_id, GRACE, "grace")
        await redis.xadd("events.tweets", {"event": event.to_json()})
        await retweet(redis, tweet_id, ADA, "ada")
        await retweet(redis, uuid7(), JOAN, "joan", author=KEN)
        await until(lambda: len(sink.mails) == 2)
        mail, other = sorted(sink.mails, key=lambda mail: str(mail["Subject"]))
        assert other["Subject"] == "joan retweeted your tweet"
        assert mail["Subject"] == "grace retweeted your tweet"
        assert mail["From"] == "Chirp <notifications@chirp.example>"
        assert mail["To"] == "ada <ada@example.com>"
        assert mail["Message-ID"] != other["Message-ID"]
        assert mail["Message-ID"].endswith("@chirp.example>")
        assert mail["Date"].datetime <= datetime.now(UTC)
        assert mail["List-Id"] == "Retweets of your tweets <retweets.chirp.example>"
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert mail["Auto-Submitted"] == "auto-generated"
        for kind in ("plain", "html"):
            assert f"http://localhost:4000/tweets/{tweet_id}" in part(mail, kind)
            assert unsubscribe_path(mail) in part(mail, kind)
        assert "> Hello <world>" in part(mail, "plain")
        assert "Hello &lt;world&gt;" in part(mail, "html")

    async def test_unsubscribing_by_post_ends_mails(
        self, client: httpx.AsyncClient, redis: Redis, sink: SmtpSink, handled: Handled
    ) -> None:
        await register(redis, ADA, "ada", retweets=True)
        await handled(1)
        await retweet(redis, uuid7(), GRACE, "grace")
        await until(lambda: sink.mails)
        path = unsubscribe_path(sink.mails[0])
        assert (await client.get(path)).status_code == 200
        await retweet(redis, uuid7(), GRACE, "grace")
        await until(lambda: len(sink.mails) == 2)
        body = {"List-Unsubscribe": "One-Click"}
        assert (await client.post(path, data=body)).status_code == 200
        await retweet(redis, uuid7(), GRACE, "grace")
        await handled(4)
        # The account cannot switch mails on again; the link can.
        assert await opt_in(client) == {"retweets": False, "addressUnsubscribed": True}
        path = path.replace("/email/unsubscribe?", "/email/subscribe?")
        assert (await client.post(path)).status_code == 200
        assert await opt_in(client) == {"retweets": True, "addressUnsubscribed": False}
        await retweet(redis, uuid7(), JOAN, "joan")
        await until(lambda: len(sink.mails) == 3)
        assert sink.mails[2]["Subject"] == "joan retweeted your tweet"

    async def test_retweets_of_ten_tweets_are_one_mail_and_one_digest(
        self,
        database: Database,
        notifier_url: str,
        redis: Redis,
        valkey_url: str,
        sink: SmtpSink,
    ) -> None:
        """Two processes handle the events. A digest of all but the first waits for the window."""
        variables = environment(notifier_url, valkey_url, sink, NOTIFIER_WINDOW_SECONDS="600")
        settings = Settings.from_env(variables)
        await register(redis, ADA, "ada", retweets=True)
        async with (
            running(create_app(settings, Shutdown())),
            running(create_app(settings, Shutdown())),
        ):
            while await count(database, "SELECT count(*) FROM inbox") < 1:
                await asyncio.sleep(0.01)
            for _ in range(10):
                await retweet(redis, uuid7(), GRACE, "grace")
            while await count(database, "SELECT count(*) FROM inbox") < 11:
                await asyncio.sleep(0.01)
            await until(lambda: sink.mails)
            kinds = "SELECT count(*) FROM deliveries WHERE digest = {}"
            assert await count(database, kinds.format("false")) == 1
            assert await count(database, kinds.format("true")) == 1
            assert await count(database, "SELECT count(DISTINCT tweet_id) FROM notices") == 10
            assert len(sink.mails) == 1


PRINCIPAL = Principal(
    ADA, "ada", frozenset({"account:read", "account:write"}), ADA, datetime(2100, 1, 1, tzinfo=UTC)
)
SESSION_ENDED = {"code": "UNAUTHENTICATED", "reason": "SESSION_ENDED"}
FROM_THE_EDGE = {"x-router-secret": SECRET, **PRINCIPAL.headers()}


UPDATE = "mutation { updateEmailSettings(input: {retweets: true}) { retweets } }"


async def refusals(client: httpx.AsyncClient) -> list[Any]:
    """Return the extensions of each error of a change of settings."""
    answer = await client.post("/graphql", json={"query": UPDATE}, headers=FROM_THE_EDGE)
    return [error["extensions"] for error in answer.json().get("errors", [])]


async def opt_in(client: httpx.AsyncClient) -> dict[str, bool]:
    mutation = """mutation {
        updateEmailSettings(input: {retweets: true}) { retweets addressUnsubscribed } }"""
    answer = await client.post("/graphql", json={"query": mutation}, headers=FROM_THE_EDGE)
    settings: dict[str, bool] = answer.json()["data"]["updateEmailSettings"]
    return settings


async def settings_of_ada(client: httpx.AsyncClient) -> dict[str, Any]:
    query = """query ($them: [_Any!]!) { _entities(representations: $them) {
        ... on User { emailSettings { undeliverableSince } } } }"""
    body = {"query": query, "variables": {"them": [{"__typename": "User", "id": str(ADA)}]}}
    answer = await client.post("/graphql", json=body, headers=FROM_THE_EDGE)
    settings: dict[str, Any] = answer.json()["data"]["_entities"][0]["emailSettings"]
    return settings


class TestUpdateEmailSettings:
    async def test_change_before_the_registration_is_kept(
        self, client: httpx.AsyncClient, redis: Redis, sink: SmtpSink, handled: Handled
    ) -> None:
        assert (await opt_in(client))["retweets"]
        await register(redis, ADA, "ada", retweets=False)
        await handled(1)
        await retweet(redis, uuid7(), GRACE, "grace")
        await until(lambda: sink.mails)

    async def test_ended_session_is_refused_after_its_announcement(
        self, client: httpx.AsyncClient, redis: Redis, database: Database
    ) -> None:
        async with asyncio.timeout(20):
            while not await redis.hlen(subscribers_key(REVOCATIONS)):
                await asyncio.sleep(0.01)
        await Publisher(redis, REVOCATIONS).publish([str(PRINCIPAL.session_id)])
        assert await refusals(client) == [SESSION_ENDED]
        assert await count(database, "SELECT count(*) FROM recipients") == 0

    async def test_ended_session_is_refused_without_redis(
        self, database: Database, notifier_url: str, sink: SmtpSink, auth_grpc: FakeAuth
    ) -> None:
        address = auth_grpc.address
        variables = environment(
            notifier_url, "redis://127.0.0.1:1/0", sink, NOTIFIER_AUTH_GRPC=address
        )
        async with running(create_app(Settings.from_env(variables), Shutdown())) as client:
            assert await refusals(client) == []
            auth_grpc.ended.add(str(PRINCIPAL.session_id))
            assert await refusals(client) == [SESSION_ENDED]

    async def test_deleted_account_is_refused(
        self, client: httpx.AsyncClient, redis: Redis, handled: Handled
    ) -> None:
        await publish(redis, "auth", "user-deleted", {"userId": str(ADA)})
        await handled(1)
        assert await refusals(client) == [SESSION_ENDED]

    async def test_request_without_the_edges_secret_is_refused(
        self, client: httpx.AsyncClient
    ) -> None:
        query = {"query": "{ __typename }"}
        assert (await client.post("/graphql", json=query)).status_code == 403

    async def test_readiness_depends_on_the_database(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).json()["checks"] == {"database": "ok"}


class TestMetrics:
    async def test_only_the_state_of_auth_is_backfilled(self, client: httpx.AsyncClient) -> None:
        metrics = (await client.get("/metrics")).text
        owners = re.findall(r'^chirp_backfill_finished\{owner="(.*)"\}', metrics, re.MULTILINE)
        assert owners == ["auth"]

    async def test_sent_mails_are_counted(
        self, client: httpx.AsyncClient, redis: Redis, sink: SmtpSink, handled: Handled
    ) -> None:
        await register(redis, ADA, "ada", retweets=True)
        await handled(1)
        await retweet(redis, uuid7(), GRACE, "grace")
        await until(lambda: sink.mails)
        async with asyncio.timeout(20):
            while 'chirp_mails_total{result="sent"} 1.0' not in (await client.get("/metrics")).text:
                await asyncio.sleep(0.01)


class TestFailures:
    async def test_deferred_mail_is_sent_later(
        self, client: httpx.AsyncClient, redis: Redis, sink: SmtpSink, handled: Handled
    ) -> None:
        await register(redis, ADA, "ada", retweets=True)
        await handled(1)
        sink.plan("MAIL", "421 4.3.2 Not now")
        sink.plan("RCPT", "451 4.2.1 Greylisted")
        await retweet(redis, uuid7(), GRACE, "grace")
        await until(lambda: sink.mails)
        assert len(sink.mails) == 1

    async def test_malformed_event_does_not_stop_the_stream(
        self,
        client: httpx.AsyncClient,
        redis: Redis,
        sink: SmtpSink,
        handled: Handled,
        database: Database,
    ) -> None:
        await redis.xadd("events.tweets", {"event": "not JSON"})
        await publish(redis, "tweets", "tweet-retweeted", {"retweetId": "x"})
        await register(redis, ADA, "ada", retweets=True)
        await handled(1)
        await retweet(redis, uuid7(), GRACE, "grace")
        await until(lambda: sink.mails)
        assert await count(database, "SELECT count(*) FROM rejected_events") == 2


class TestRestart:
    async def test_window_and_due_mails_survive_a_restart(
        self,
        database: Database,
        notifier_url: str,
        redis: Redis,
        valkey_url: str,
        sink: SmtpSink,
    ) -> None:
        """One process sends the first mail, the next one the digest."""
        settings = Settings.from_env(
            environment(notifier_url, valkey_url, sink, NOTIFIER_WINDOW_SECONDS="2")
        )
        tweet_id = uuid7()
        await register(redis, ADA, "ada", retweets=True)
        async with running(create_app(settings, Shutdown())):
            while await count(database, "SELECT count(*) FROM inbox") < 1:
                await asyncio.sleep(0.01)
            await retweet(redis, tweet_id, GRACE, "grace")
            await until(lambda: sink.mails)
            for person in ("joan", "ken"):
                await retweet(redis, tweet_id, uuid4(), person)
            while await count(database, "SELECT count(*) FROM notices") < 3:
                await asyncio.sleep(0.01)
        async with running(create_app(settings, Shutdown())):
            await until(lambda: len(sink.mails) == 2)
        subjects = [str(mail["Subject"]) for mail in sink.mails]
        assert subjects == ["grace retweeted your tweet", "joan and ken retweeted your tweet"]

    async def test_two_processes_send_each_mail_once(
        self, database: Database, notifier_url: str, redis: Redis, valkey_url: str, sink: SmtpSink
    ) -> None:
        settings = Settings.from_env(environment(notifier_url, valkey_url, sink))
        authors = [uuid4() for _ in range(60)]
        for number, author in enumerate(authors):
            await register(redis, author, f"author{number}", retweets=True)
        async with (
            running(create_app(settings, Shutdown())),
            running(create_app(settings, Shutdown())),
        ):
            while await count(database, "SELECT count(*) FROM inbox") < 60:
                await asyncio.sleep(0.01)
            for author in authors:
                await retweet(redis, uuid7(), GRACE, "grace", author=author)
            await until(lambda: len(sink.mails) >= 60)
        assert len({str(mail["Message-ID"]) for mail in sink.mails}) == len(sink.mails) == 60
        assert await count(database, "SELECT count(*) FROM deliveries WHERE state = 'sent'") == 60


class TestLease:
    async def test_in_flight_mail_of_a_killed_process_is_sent_by_the_next(
        self, database: Database, notifier_url: str, redis: Redis, valkey_url: str, sink: SmtpSink
    ) -> None:
        variables = environment(notifier_url, valkey_url, sink, MAIL_ATTEMPT_SECONDS="1")
        await register(redis, ADA, "ada", retweets=True)
        sink.plan("DATA", Fault.HANGS)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "notifier", "serve"),
            env={**os.environ, **variables, "NOTIFIER_PORT": str(free_ports(1)[0])},
            stdout=subprocess.DEVNULL,
        )
        try:
            while await count(database, "SELECT count(*) FROM inbox") < 1:
                await asyncio.sleep(0.01)
            await retweet(redis, uuid7(), GRACE, "grace")
            await until(lambda: "DATA" in sink.commands)
        finally:
            process.kill()
            await process.wait()
        assert sink.mails == []
        async with running(create_app(Settings.from_env(variables), Shutdown())):
            await until(lambda: sink.mails)
        assert len(sink.mails) == 1


class TestCommands:
    async def run(self, variables: dict[str, str], *arguments: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "notifier", *arguments),
            env={"PATH": os.environ["PATH"], **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode(), errors.decode()

    async def test_dead_letters_are_listed_shown_retried_and_dropped(
        self,
        client: httpx.AsyncClient,
        redis: Redis,
        sink: SmtpSink,
        handled: Handled,
        database: Database,
        notifier_url: str,
        valkey_url: str,
    ) -> None:
        variables = environment(notifier_url, valkey_url, sink)
        assert (await self.run(variables, "dead-letters", "list"))[:2] == (
            0,
            "There are no dead letters.\n",
        )
        await register(redis, ADA, "ada", retweets=True)
        await handled(1)
        sink.plan("DATA", "550 5.1.1 <ada@example.com> unknown")
        await retweet(redis, uuid7(), GRACE, "grace")
        await handled(2)  # dead letters are listed by age
        await publish(redis, "auth", "user-deleted", {"userId": "nobody"})
        async with asyncio.timeout(20):
            while (
                await count(
                    database,
                    "SELECT (SELECT count(*) FROM deliveries WHERE state = 'dead')"
                    " + (SELECT count(*) FROM rejected_events)",
                )
                < 2
            ):
                await asyncio.sleep(0.01)

        status, listed, _ = await self.run(variables, "dead-letters", "list")
        mail, event = listed.splitlines()
        assert status == 0
        assert mail.endswith("DATA: 550 5.1.1")
        assert event.endswith("MalformedEventError: data.userId is not an id")
        assert "ada@" not in listed

        mail_id, event_id = mail.split()[0], event.split()[0]
        _, shown, _ = await self.run(variables, "dead-letters", "show", mail_id)
        assert str(ADA) in shown
        _, shown, _ = await self.run(variables, "dead-letters", "show", event_id)
        assert '"userId":"nobody"' in shown

        status, _, errors = await self.run(variables, "dead-letters", "retry", event_id)
        assert (status, errors) == (
            1,
            "notifier: the dead letter still cannot be handled: "
            "MalformedEventError: data.userId is not an id\n",
        )
        assert (await self.run(variables, "dead-letters", "drop", event_id))[0] == 0
        assert (await self.run(variables, "dead-letters", "retry", mail_id))[0] == 0
        await until(lambda: sink.mails)
        assert (await self.run(variables, "dead-letters", "list"))[1].startswith("There are no")
        status, _, errors = await self.run(variables, "dead-letters", "drop", mail_id)
        assert (status, errors) == (1, f"notifier: there is no dead letter {mail_id}\n")

    async def test_purge_of_an_empty_database_removes_nothing(
        self, database: Database, notifier_url: str, valkey_url: str, sink: SmtpSink
    ) -> None:
        variables = environment(notifier_url, valkey_url, sink)
        assert await self.run(variables, "purge") == (0, "0 rows removed\n", "")

    async def test_missing_settings_are_reported_in_one_line(self) -> None:
        status, _, errors = await self.run({}, "serve")
        assert status == 2
        assert errors.startswith("notifier: invalid environment: ")
        assert errors.count("\n") == 1
