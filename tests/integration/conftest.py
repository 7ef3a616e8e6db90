"""Real servers for the integration tests: one of each per process, a database for each service."""

import asyncio
import io
import os
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import pytest

from chassis.database import Database
from chassis.errors import TokenRefused
from chassis.events import Event
from chassis.migrations import upgrade
from chassis.principal import Principal
from chassis.shutdown import Shutdown
from notifier.account_mails_pb2 import GetMailResponse
from notifier.auth_client import SERVICE as ACCOUNT_MAILS
from stack.console import Console
from stack.ports import free_ports
from stack.process import Process
from stack.valkey import valkey
from subgraphs.auth.grpc_server import serving
from subgraphs.auth.grpc_service import SESSIONS, sessions_handler
from subgraphs.auth.verification import Verification
from tests.account_mails import AccountMailsService, mail

FreshDatabase = Callable[[str, Path | None], Awaitable[str]]


@pytest.fixture(scope="session")
def fresh_database(postgres_server: str) -> FreshDatabase:
    """Creates and migrates an empty database: (name of the service, its migrations) → its URL.

    `<SERVICE>_TEST_DATABASE_URL` names another server to make it on, by a role that may do so.
    """

    async def make(service: str, versions: Path | None) -> str:
        server = os.environ.get(f"{service.upper()}_TEST_DATABASE_URL") or postgres_server
        name = f"chirp_test_{service}{os.environ.get('PYTEST_XDIST_WORKER', '')}"
        connection = await asyncpg.connect(server)
        try:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        if versions is not None:
            await upgrade(url, versions)
        return url

    return make


@dataclass
class Server:
    """A separate Valkey server of one test."""

    url: str
    data: Path
    process: Process

    def start(self) -> None:
        self.process.start()
        self.process.wait_until_ready(threading.Event())

    def kill(self) -> None:
        self.process.kill()

    def lose_data(self) -> None:
        """Kill the server and delete its data, like a restart without a disk."""
        self.kill()
        shutil.rmtree(self.data / "valkey" / "appendonlydir")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    url = f"redis://:secret@127.0.0.1:{free_ports(1)[0]}/0"
    server = Server(url, tmp_path, valkey(tmp_path, url, Console(io.StringIO())))
    server.start()
    yield server
    server.kill()


@dataclass
class FakeAuth:
    """The state and the address of auth's gRPC services."""

    address: str
    ended: set[str] = field(default_factory=set)
    is_current: bool = True
    mail: Callable[[UUID], GetMailResponse] = field(default=lambda _: mail())
    """Returns the content of the mail with an id."""

    def has_ended(self, session_id: str) -> bool:
        return session_id in self.ended


@pytest.fixture
async def auth_grpc() -> AsyncIterator[FakeAuth]:
    """Auth's real gRPC service with ended sessions that the test sets, and mails of the test."""
    auth = FakeAuth(f"127.0.0.1:{free_ports(1)[0]}")
    verification = Verification(_no_token, auth, _no_session, cache_size=1)
    mails = AccountMailsService(lambda mail_id: auth.mail(mail_id))
    async with serving(
        {SESSIONS: sessions_handler(verification), ACCOUNT_MAILS: mails.handler()},
        address=auth.address,
        can_answer=_healthy,
        shutdown=Shutdown(),
        reflected=False,
    ):
        yield auth


def _no_token(_: str) -> Principal:
    raise TokenRefused


async def _no_session(_: Collection[UUID]) -> Collection[UUID]:
    return []


async def _healthy() -> bool:
    return True


async def outbox(database: Database) -> list[Event]:
    """Return the events in the outbox in the order in which they were written."""
    rows = await database.read(
        lambda connection: connection.fetch_all("SELECT event FROM outbox ORDER BY position")
    )
    return [Event.from_json(row["event"]) for row in rows]


async def is_empty(database: Database, table: str) -> bool:
    return not await database.read(
        lambda connection: connection.fetch_val(f"SELECT EXISTS (SELECT FROM {table})")
    )


async def somebody_waits(database: Database) -> bool:
    """Return whether a transaction waits for a lock of another one."""
    statement = """
        SELECT EXISTS (
            SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'
        )
    """
    return bool(await database.read(lambda connection: connection.fetch_val(statement)))


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    """Wait until `condition` returns a true value, at most 30 seconds."""
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.01)
