"""The notifier as it is run: from an event in the stream to a mail in a server's hands."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis.asyncio import Redis
from starlette.applications import Starlette
from uuid_utils.compat import uuid7

from chassis.database import Database
from chassis.events import Event
from notifier.app import create_app
from notifier.settings import Settings
from tests.integration.notifier.smtp import SmtpSink

ADA, GRACE, JOAN = uuid4(), uuid4(), uuid4()
SECRET = "r" * 32


def environment(database_url: str, redis_url: str, sink: SmtpSink, **more: str) -> dict[str, str]:
    return {
        "ENVIRONMENT": "development",
        "NOTIFIER_DATABASE_URL": database_url,
        "NOTIFIER_UNSUBSCRIBE_SECRET": "u" * 32,
        "REDIS_URL": redis_url,
        "ROUTER_SECRET": SECRET,
        "PUBLIC_URL": "http://localhost:4000",
        "MAIL_HOST": "127.0.0.1",
        "MAIL_PORT": str(sink.port),
        "MAIL_SECURITY": "none",
        "MAIL_FROM": "Chirp <notifications@chirp.example>",
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
        },
    )


async def retweet(redis: Redis, tweet_id: UUID, retweeter: UUID, username: str) -> Event:
    return await publish(
        redis,
        "tweets",
        "tweet-retweeted",
        {
            "retweetId": str(uuid7()),
            "tweetId": str(tweet_id),
            "text": "Hello <world>",
            "authorId": str(ADA),
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
    database: Database, notifier_url: str, redis: Redis, valkey_url: str, sink: SmtpSink
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings.from_env(environment(notifier_url, valkey_url, sink)))
    async with running(app) as client:
        yield client


class TestRetweet:
    async def test_one_mail_arrives(
        self, client: httpx.AsyncClient, redis: Redis, sink: SmtpSink
    ) -> None:
        await register(redis, ADA, "ada", retweets=True)
        tweet_id = uuid7()
        await asyncio.sleep(0.3)
        await retweet(redis, tweet_id, GRACE, "grace")
        await until(lambda: sink.mails)
        (mail,) = sink.mails
        assert mail["Subject"] == "grace retweeted your tweet"
