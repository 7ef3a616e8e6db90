"""The tweets service as it runs: its application over HTTP, and its command line."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette

from chassis.broadcast import Publisher, subscribers_key
from chassis.database import Database
from chassis.dead_letters import RejectedEvents
from chassis.migrations import SchemaNotCurrentError, head, versions_of
from chassis.principal import Principal
from chassis.sessions.revocations import STREAM as REVOCATIONS
from chassis.shutdown import Shutdown
from chassis.streams import connect
from subgraphs.auth.events import user_deleted
from subgraphs.tweets.app import create_app
from subgraphs.tweets.settings import Settings
from tests.integration.conftest import FakeAuth, FreshDatabase, is_empty, outbox, until
from tests.settings import addresses
from tests.unit.tweets.fakes import ADA

SECRET = "r" * 32
PRINCIPAL = Principal(
    user_id=ADA.id,
    username=ADA.username,
    scopes=frozenset({"tweets:read", "tweets:write"}),
    session_id=ADA.id,
    expires_at=datetime(2100, 1, 1, tzinfo=UTC),
)
FROM_THE_EDGE = {"x-router-secret": SECRET, **PRINCIPAL.headers()}


NEWEST = head(versions_of("tweets"))
NO_REDIS = "redis://127.0.0.1:1/0"


def environment(
    url: str, redis_url: str = NO_REDIS, auth_grpc: str = "127.0.0.1:1"
) -> dict[str, str]:
    return addresses("tweets") | {
        "TWEETS_AUTH_GRPC": auth_grpc,
        "TWEETS_DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "ROUTER_SECRET": SECRET,
        "ENVIRONMENT": "production",
    }


def running(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tweets")


@pytest.fixture
async def client(
    database: Database, tweets_url: str, auth_grpc: FakeAuth
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve without Redis: auth answers which sessions have ended."""
    variables = environment(tweets_url, auth_grpc=auth_grpc.address)
    app = create_app(Settings.from_env(variables), Shutdown())
    async with app.router.lifespan_context(app), running(app) as client:
        yield client


class TestApp:
    async def test_tweet_is_created_and_listed(self, client: httpx.AsyncClient) -> None:
        mutation = 'mutation { createTweet(input: {text: "Hi"}) { ... on Tweet { text } } }'
        query = "{ myTweets { edges { node { text author { username } } } } }"
        answers = [
            await client.post("/graphql", json={"query": document}, headers=FROM_THE_EDGE)
            for document in (mutation, query)
        ]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == {"data": {"createTweet": {"text": "Hi"}}}
        assert answers[1].json()["data"]["myTweets"]["edges"] == [
            {"node": {"text": "Hi", "author": {"username": "ada"}}}
        ]

    async def test_wrong_router_secret_is_forbidden(self, client: httpx.AsyncClient) -> None:
        headers = FROM_THE_EDGE | {"x-router-secret": "guess"}
        answer = await client.post("/graphql", json={"query": "{__typename}"}, headers=headers)
        assert answer.status_code == 403

    async def test_production_has_no_introspection(self, client: httpx.AsyncClient) -> None:
        query = {"query": "{ __schema { queryType { name } } }"}
        answer = await client.post("/graphql", json=query, headers=FROM_THE_EDGE)
        assert answer.status_code == 400

    async def test_router_can_fetch_the_sdl(self, client: httpx.AsyncClient) -> None:
        query = {"query": "{ _service { sdl } }"}
        answer = await client.post("/graphql", json=query, headers=FROM_THE_EDGE)
        assert "type Tweet implements Node @key" in answer.json()["data"]["_service"]["sdl"]

    async def test_service_is_ready_without_redis(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).json()["checks"] == {"database": "ok"}

    async def test_service_is_not_ready_without_its_database(self, tweets_url: str) -> None:
        async with running(
            create_app(Settings.from_env(environment(tweets_url)), Shutdown())
        ) as client:
            answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"] == {"database": "failed"}


CREATE = 'mutation { createTweet(input: {text: "Hi"}) { __typename } }'
SESSION_ENDED = {"code": "UNAUTHENTICATED", "reason": "SESSION_ENDED"}


class TestEndedSession:
    async def errors(self, client: httpx.AsyncClient) -> list[Any]:
        answer = await client.post("/graphql", json={"query": CREATE}, headers=FROM_THE_EDGE)
        return [error["extensions"] for error in answer.json().get("errors", [])]

    async def test_ended_session_writes_nothing_during_an_outage_of_redis(
        self, client: httpx.AsyncClient, auth_grpc: FakeAuth, database: Database
    ) -> None:
        auth_grpc.ended.add(str(PRINCIPAL.session_id))
        assert await self.errors(client) == [SESSION_ENDED]
        assert await is_empty(database, "tweets")
        auth_grpc.ended.clear()
        assert await self.errors(client) == []

    async def test_ended_session_writes_nothing_after_the_broadcast(
        self, database: Database, tweets_url: str, valkey_url: str, auth_grpc: FakeAuth
    ) -> None:
        variables = environment(tweets_url, valkey_url, auth_grpc.address)
        app = create_app(Settings.from_env(variables), Shutdown())
        async with connect(valkey_url) as redis:
            await redis.flushall()
            async with app.router.lifespan_context(app), running(app) as client:
                assert await self.errors(client) == []
                await until(lambda: redis.hlen(subscribers_key(REVOCATIONS)))
                await Publisher(redis, REVOCATIONS).publish([str(PRINCIPAL.session_id)])
                assert await self.errors(client) == [SESSION_ENDED]
        assert len(await outbox(database)) == 1

    async def test_write_without_redis_and_auth_is_service_unavailable(
        self, database: Database, tweets_url: str
    ) -> None:
        app = create_app(Settings.from_env(environment(tweets_url)), Shutdown())
        async with app.router.lifespan_context(app), running(app) as client:
            assert await self.errors(client) == [{"code": "SERVICE_UNAVAILABLE"}]
        assert await is_empty(database, "tweets")


class TestEvents:
    async def test_events_are_published_and_consumed(
        self, database: Database, tweets_url: str, valkey_url: str, auth_grpc: FakeAuth
    ) -> None:
        variables = environment(tweets_url, valkey_url, auth_grpc.address)
        app = create_app(Settings.from_env(variables), Shutdown())
        mutation = 'mutation { createTweet(input: {text: "Hi"}) { ... on Tweet { id } } }'
        async with connect(valkey_url) as redis:
            await redis.flushall()
            async with app.router.lifespan_context(app), running(app) as client:
                await client.post("/graphql", json={"query": mutation}, headers=FROM_THE_EDGE)
                await until(lambda: redis.xlen("events.tweets"))
                deleted = user_deleted(ADA.id, datetime.now(UTC))
                await redis.xadd("events.auth", {"event": deleted.to_json()})
                await until(lambda: is_empty(database, "tweets"))


class TestCommands:
    @pytest.fixture
    async def empty_url(self, fresh_database: FreshDatabase) -> str:
        return await fresh_database("tweets_empty", None)

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "subgraphs.tweets", *arguments],
            env={"PATH": os.environ["PATH"], **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_serve_refuses_a_database_without_migrations(self, empty_url: str) -> None:
        result = self.run("serve", **environment(empty_url))
        assert result.returncode == 1
        assert result.stderr == (
            f"tweets: The database is at revision None, this code needs {NEWEST}. "
            "Run `migrate` first.\n"
        )

    async def test_application_refuses_a_database_without_migrations(self, empty_url: str) -> None:
        app = create_app(Settings.from_env(environment(empty_url)), Shutdown())
        with pytest.raises(SchemaNotCurrentError):
            async with app.router.lifespan_context(app):
                pass

    async def test_later_revision_is_accepted_and_revision_of_another_service_refused(
        self, empty_url: str
    ) -> None:
        assert self.run("migrate", **environment(empty_url)).returncode == 0
        for revision, refused in (("tweets9999", False), ("auth9999", True), ("tweets0001", True)):
            connection = await asyncpg.connect(empty_url)
            await connection.execute("UPDATE alembic_version SET version_num = $1", revision)
            await connection.close()
            app = create_app(Settings.from_env(environment(empty_url)), Shutdown())
            with pytest.raises(SchemaNotCurrentError) if refused else nullcontext():
                async with app.router.lifespan_context(app):
                    pass
            if not refused:  # an older release after a rollback
                assert self.run("migrate", **environment(empty_url)).returncode == 0

    def test_second_migration_changes_nothing(self, empty_url: str) -> None:
        for _ in range(2):
            result = self.run("migrate", **environment(empty_url))
            assert (result.returncode, result.stderr) == (0, "")
            assert f"tweets: the database is at revision {NEWEST}.\n" in result.stdout

    async def test_rejected_event_is_listed_shown_retried_and_dropped(
        self, database: Database, tweets_url: str
    ) -> None:
        def dead_letters(*arguments: str) -> "subprocess.CompletedProcess[str]":
            return self.run("dead-letters", *arguments, **environment(tweets_url))

        rejected = RejectedEvents(database, AsyncMock())
        event = user_deleted(ADA.id, datetime.now(UTC)).to_json()
        for text in (event, "nonsense"):
            await rejected.add(text, "it failed")
        good, bad = [letter.id for letter in await rejected.all()]
        lines = dead_letters("list").stdout.splitlines()
        assert [line.split()[0] for line in lines] == [good, bad]
        assert all(line.endswith("it failed") for line in lines)
        assert dead_letters("show", bad).stdout.splitlines()[1] == "nonsense"
        assert dead_letters("retry", good).stdout == f"Retried dead letter {good}.\n"
        failed = dead_letters("retry", bad)
        assert failed.returncode == 1
        assert failed.stderr == (
            "tweets: the dead letter still cannot be handled: "
            "MalformedEventError: the event is not JSON\n"
        )
        assert dead_letters("drop", bad).stdout == f"Dropped dead letter {bad}.\n"
        assert dead_letters("list").stdout == "There are no dead letters.\n"
        unknown = dead_letters("drop", bad)
        assert (unknown.returncode, unknown.stderr) == (
            1,
            f"tweets: there is no dead letter {bad}\n",
        )

    def test_missing_settings_are_reported_in_one_line(self) -> None:
        result = self.run("serve")
        assert result.returncode == 2
        assert result.stderr == (
            "tweets: invalid environment: TWEETS_HOST is missing; "
            "TWEETS_PORT is missing; TWEETS_DATABASE_URL is missing; REDIS_URL is missing; "
            "ROUTER_SECRET is missing; TWEETS_ROUTER_URL is missing; TWEETS_AUTH_URL is missing; "
            "TWEETS_AUTH_GRPC is missing "
            "(see subgraphs/tweets/README.md; "
            "`make run SERVICE=tweets` runs it with those of `make up`)\n"
        )

    def test_missing_database_is_reported_in_one_line(self, empty_url: str) -> None:
        result = self.run("serve", **environment(f"{empty_url}_not"))
        assert result.returncode == 1
        assert result.stderr.startswith("tweets: PostgreSQL error: database ")
        assert result.stderr.count("\n") == 1

    def test_committed_schema_is_current(self) -> None:
        result = self.run("schema")
        assert result.stdout == Path("subgraphs/tweets/schema.graphql").read_text()
