"""A crash of background work, of every kind, is logged once and ends the application."""

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from unittest.mock import Mock

import httpx
import pytest
import strawberry
from redis.asyncio import Redis
from structlog.testing import capture_logs

from chassis.backfill import Backfill, BackfillTable, HttpOwner
from chassis.background import Backoff
from chassis.broadcast import Subscriber
from chassis.database import Database
from chassis.graphql.schema import build_schema
from chassis.graphql.streaming import Streams
from chassis.metrics import Metrics
from chassis.outbox import OutboxRelay
from chassis.shutdown import Shutdown
from chassis.streams import StreamConsumer
from graphql_streams import Limits
from stack.ports import free_ports
from tests.integration.chassis.conftest import STREAM
from tests.unit.chassis.known_sessions import KnownSessions

ROOT = Path(__file__).parents[3]


@strawberry.type
class Query:
    hello: str


class CrashError(Exception):
    pass


async def crash(*_: object) -> None:
    raise CrashError


async def nothing(*_: object) -> None:
    return None


Opened = Callable[[Database, Redis], AbstractAsyncContextManager[None]]


def metrics(_: Database, __: Redis) -> AbstractAsyncContextManager[None]:
    return Metrics().watching_event_loop()


def relay(database: Database, redis: Redis) -> AbstractAsyncContextManager[None]:
    return OutboxRelay(database, redis, STREAM, groups=()).running()


def consumer(_: Database, redis: Redis) -> AbstractAsyncContextManager[None]:
    return StreamConsumer(
        redis, [STREAM], group="tests", handle=nothing, reject=nothing, claim_idle=0.5
    ).running()


def backfill(database: Database, _: Redis) -> AbstractAsyncContextManager[None]:
    async def join(_: str) -> bool:
        return False

    owner = HttpOwner("owner", STREAM, "http://127.0.0.1:1", "secret")
    return Backfill(
        [owner], BackfillTable(database), join=join, handle=nothing, reject=nothing
    ).running()


def subscriber(_: Database, redis: Redis) -> AbstractAsyncContextManager[None]:
    async def reconcile() -> list[str]:
        return []

    return Subscriber(redis, STREAM, reconcile=reconcile, remember_for=1).following()


def streams(_: Database, __: Redis) -> AbstractAsyncContextManager[None]:
    schema = build_schema(query=Query)
    served = Streams(schema, Mock(), Mock(), Limits(), KnownSessions())
    return served.running(Shutdown())


class TestKinds:
    @pytest.mark.parametrize(
        ("opened", "class_", "method"),
        [
            (metrics, Metrics, "_watch_event_loop"),
            (relay, Backoff, "retry_forever"),
            (consumer, Backoff, "retry_forever"),
            (consumer, StreamConsumer, "_heartbeat"),
            (backfill, Backfill, "_follow"),
            (subscriber, Backoff, "retry_forever"),
            (subscriber, Subscriber, "_keep_reconciling"),
            (streams, Streams, "_close_on"),
        ],
    )
    async def test_crash_is_logged_once_and_ends_the_block(
        self,
        outbox_database: Database,
        redis: Redis,
        monkeypatch: pytest.MonkeyPatch,
        opened: Opened,
        class_: type,
        method: str,
    ) -> None:
        monkeypatch.setattr(class_, method, crash)
        with capture_logs() as log, pytest.raises(CrashError):
            async with opened(outbox_database, redis):
                await asyncio.Event().wait()
        errors = [line["event"] for line in log if line["log_level"] == "error"]
        assert errors == ["background work crashed"]


class TestProcess:
    async def test_crash_ends_the_process_after_it_has_answered(self) -> None:
        (port,) = free_ports(1)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.integration.chassis.crashing", str(port)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout
            started = b""
            while b'"serving"' not in started:
                started = await process.stdout.readline()
                assert started
            async with httpx.AsyncClient() as client:
                answer = await client.get(f"http://127.0.0.1:{port}/slow", timeout=30)
            output, _ = await asyncio.wait_for(process.communicate(), 30)
        finally:
            if process.returncode is None:
                process.kill()
        # The request is answered before the resources of the application are closed.
        assert (answer.status_code, answer.text) == (200, "open")
        assert process.returncode == 4
        lines = [json.loads(line) for line in output.splitlines()]
        (crashed,) = [line for line in lines if line["event"] == "background work crashed"]
        assert (crashed["level"], crashed["work"]) == ("error", "work")
        assert output.count(b"no more work") == 1
