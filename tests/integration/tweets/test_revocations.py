"""A session's end is known to every tweets process before the mutation that ended it answers."""

import asyncio
import io
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from chassis.broadcast import Subscriber
from chassis.migrations import versions_of
from chassis.principal import Principal
from chassis.sessions.client import GrpcSessions
from chassis.sessions.revocations import STREAM, revocation_subscriber
from chassis.streams import connect
from stack.console import Console
from stack.ports import free_ports
from stack.process import HttpProbe, Process
from stack.valkey import valkey
from tests.integration.auth.test_app import SECRET, environment
from tests.integration.conftest import FreshDatabase

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Servers:
    """An auth process and its Valkey, which a test stops and starts."""

    auth: Process
    valkey: Process
    auth_url: str
    auth_grpc: str
    redis_url: str

    def start(self, process: Process) -> None:
        process.start()
        process.wait_until_ready(threading.Event())


@pytest.fixture(scope="module")
async def database_url(fresh_database: FreshDatabase) -> str:
    return await fresh_database("auth", versions_of("auth"))


@pytest.fixture(scope="module")
def servers(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    http, grpc, redis = free_ports(3)
    redis_url = f"redis://:secret@127.0.0.1:{redis}/0"
    console = Console(io.StringIO())
    auth_url = f"http://127.0.0.1:{http}"
    settings = environment(database_url, redis_url) | {
        "AUTH_PORT": str(http),
        "AUTH_GRPC_PORT": str(grpc),
        "AUTH_REFRESH_RETRY_SECONDS": "0",
        "AUTH_ARGON2_MEMORY_KIB": "8",
        "AUTH_ARGON2_PASSES": "1",
    }
    auth = Process(
        "auth",
        [sys.executable, "-m", "subgraphs.auth", "serve"],
        console=console,
        environment={**os.environ, **settings},
        ready=HttpProbe(f"{auth_url}/readyz"),
    )
    server = valkey(tmp_path_factory.mktemp("valkey-to-kill"), redis_url, console)
    servers = Servers(auth, server, auth_url, f"127.0.0.1:{grpc}", redis_url)
    try:
        servers.start(server)
        servers.start(auth)
        yield servers
    finally:
        auth.stop()
        server.stop()


@dataclass
class Client:
    """A client with a session."""

    http: httpx.AsyncClient
    principal: Principal
    token: str
    refresh_token: str

    @property
    def session_id(self) -> str:
        return str(self.principal.session_id)

    async def run(self, mutation: str, *, signed_in: bool = True) -> Any:
        headers = self.principal.headers() if signed_in else {}
        return await graphql(self.http, mutation, headers)


async def graphql(http: httpx.AsyncClient, query: str, headers: dict[str, str]) -> Any:
    answer = await http.post(
        "/graphql", json={"query": query}, headers={"x-router-secret": SECRET, **headers}
    )
    assert "errors" not in answer.json(), answer.text
    return answer.json()["data"]


@dataclass
class TweetsProcess:
    """The revocations of one tweets process, with their own connections.

    `open` are the sessions with a subscription, `ended` those that `on_ended` reported.
    """

    revocations: Subscriber
    sessions: GrpcSessions
    redis: Redis
    open: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)


@asynccontextmanager
async def tweets_process(servers: Servers, **settings: float) -> AsyncIterator[TweetsProcess]:
    ended: set[str] = set()
    open_sessions: set[str] = set()

    def on_ended(session_ids: Collection[str]) -> None:
        ended.update(session_ids)

    sessions = GrpcSessions(servers.auth_grpc)
    redis = connect(servers.redis_url)
    revocations = revocation_subscriber(
        redis, sessions, open_sessions=lambda: open_sessions, on_ended=on_ended, **settings
    )
    async with redis, sessions.running(), revocations.following():
        await asyncio.wait_for(revocations.current(), 20)
        yield TweetsProcess(revocations, sessions, redis, open_sessions, ended)


@pytest.fixture
async def processes(servers: Servers) -> AsyncIterator[list[TweetsProcess]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(tweets_process(servers)) for _ in range(2)]


@pytest.fixture
async def sign_up(
    servers: Servers, processes: list[TweetsProcess]
) -> AsyncIterator[Callable[[], Any]]:
    """Returns what creates an account whose session is open at every process."""
    async with httpx.AsyncClient(base_url=servers.auth_url, trust_env=False, timeout=30) as http:

        async def make() -> Client:
            name = f"u{uuid4().hex[:12]}"
            given = f'username: "{name}", email: "{name}@example.com", password: "{PASSWORD}"'
            made = await graphql(
                http,
                f"mutation {{ signUp(input: {{{given}}}) {{ ... on SignedIn"
                " { accessToken refreshToken } } }",
                {},
            )
            token = made["signUp"]["accessToken"]
            principal = await verified(processes[0], token)
            for process in processes:
                process.open.add(str(principal.session_id))
            return Client(http, principal, token, made["signUp"]["refreshToken"])

        yield make


async def verified(process: TweetsProcess, token: str) -> Principal:
    return await process.sessions.verify(token)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def end_unpublished(database_url: str, client: Client) -> None:
    """End a session as a process does that dies after its commit."""
    connection = await asyncpg.connect(database_url)
    session_id = client.principal.session_id
    try:
        async with connection.transaction():
            await connection.execute("DELETE FROM sessions WHERE id = $1", session_id)
            await connection.execute("INSERT INTO ended_sessions VALUES ($1, now())", session_id)
    finally:
        await connection.close()


SignUp = Callable[[], Any]


class TestEndOfASession:
    async def test_every_process_knows_when_sign_out_answers(
        self, processes: list[TweetsProcess], sign_up: SignUp
    ) -> None:
        for _ in range(50):
            client = await sign_up()
            await client.run("mutation { signOut { sessionIds } }")
            for process in processes:
                assert process.revocations.is_current
                assert client.session_id in process.ended
                assert process.revocations.has_ended(client.session_id)

    @pytest.mark.parametrize(
        "mutation",
        [
            "mutation { signOutEverywhere { __typename } }",
            'mutation { revokeSession(id: "%s") { __typename } }',
            'mutation { reauthenticate(password: "correct horse battery") { __typename } }',
            'mutation { deleteAccount(password: "correct horse battery") { __typename } }',
        ],
    )
    async def test_every_process_knows_when_another_mutation_answers(
        self, processes: list[TweetsProcess], sign_up: SignUp, mutation: str
    ) -> None:
        client = await sign_up()
        await client.run(mutation.replace("%s", client.session_id))
        assert all(client.session_id in process.ended for process in processes)

    async def test_stolen_refresh_token_ends_the_session_everywhere(
        self, processes: list[TweetsProcess], sign_up: SignUp
    ) -> None:
        client = await sign_up()
        refresh = f'mutation {{ refreshSession(refreshToken: "{client.refresh_token}") '
        refresh += "{ __typename } }"
        assert (await client.run(refresh, signed_in=False))["refreshSession"]["__typename"] == (
            "SignedIn"
        )
        assert not any(client.session_id in process.ended for process in processes)
        await client.run(refresh, signed_in=False)
        assert all(client.session_id in process.ended for process in processes)

    async def test_process_that_starts_later_knows(self, servers: Servers, sign_up: SignUp) -> None:
        client = await sign_up()
        await client.run("mutation { signOut { sessionIds } }")
        async with tweets_process(servers) as late:
            assert late.revocations.has_ended(client.session_id)

    async def test_stalled_process_is_waited_for_until_its_lease_ends(
        self, processes: list[TweetsProcess], sign_up: SignUp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = await sign_up()
        stalled, suspended = processes[1].revocations, asyncio.Event()

        async def stall(_: str) -> None:
            suspended.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(stalled, "_read", stall)
        await suspended.wait()
        assert stalled.is_current
        await client.run("mutation { signOut { sessionIds } }")
        assert client.session_id in processes[0].ended
        assert not stalled.is_current or client.session_id in processes[1].ended


class TestRedis:
    async def test_no_process_is_current_without_redis_and_all_know_after_it(
        self, servers: Servers, processes: list[TweetsProcess], sign_up: SignUp
    ) -> None:
        client, other = await sign_up(), await sign_up()
        servers.valkey.kill()
        try:
            await client.run("mutation { signOut { sessionIds } }")
            for process in processes:
                assert not process.revocations.is_current or client.session_id in process.ended
            await until(lambda: not any(process.revocations.is_current for process in processes))
        finally:
            await asyncio.to_thread(servers.start, servers.valkey)
        for process in processes:
            await asyncio.wait_for(process.revocations.current(), 20)
            assert client.session_id in process.ended
            assert not process.revocations.has_ended(other.session_id)

    async def test_session_that_redis_lost_is_known_or_not_trusted(
        self, processes: list[TweetsProcess], sign_up: SignUp
    ) -> None:
        for _ in range(3):
            client = await sign_up()
            await processes[0].redis.flushall()
            await client.run("mutation { signOut { sessionIds } }")
            for process in processes:
                assert not process.revocations.is_current or client.session_id in process.ended

    async def test_auth_is_asked_about_open_sessions_after_redis_was_emptied(
        self, servers: Servers, database_url: str, sign_up: SignUp
    ) -> None:
        client = await sign_up()
        async with tweets_process(servers, reconcile_every=60) as process:
            process.open.add(client.session_id)
            await end_unpublished(database_url, client)
            while not await process.sessions.ended(process.open):
                await asyncio.sleep(0.05)
            assert client.session_id not in process.ended
            await process.redis.flushall()
            await until(lambda: client.session_id in process.ended)


class TestAuth:
    async def test_process_stays_current_on_the_stream_without_auth(
        self, servers: Servers, processes: list[TweetsProcess]
    ) -> None:
        servers.auth.kill()
        try:
            ended = str(uuid4())
            await asyncio.sleep(2)  # longer than a lease, and several looks in vain
            assert all(process.revocations.is_current for process in processes)
            await processes[0].redis.xadd(STREAM, {"ids": ended})
            await until(lambda: all(ended in process.ended for process in processes))
        finally:
            await asyncio.to_thread(servers.start, servers.auth)

    async def test_no_process_is_current_without_auth_after_a_gap(
        self, servers: Servers, processes: list[TweetsProcess], sign_up: SignUp
    ) -> None:
        await sign_up()
        servers.auth.kill()
        try:
            await processes[0].redis.client_kill_filter(_type="normal", skipme=True)
            await until(lambda: not any(process.revocations.is_current for process in processes))
            await asyncio.sleep(1)
            assert not any(process.revocations.is_current for process in processes)
        finally:
            await asyncio.to_thread(servers.start, servers.auth)
        for process in processes:
            await asyncio.wait_for(process.revocations.current(), 20)

    async def test_unpublished_end_is_found(
        self, database_url: str, processes: list[TweetsProcess], sign_up: SignUp
    ) -> None:
        client = await sign_up()
        await end_unpublished(database_url, client)
        await until(lambda: all(client.session_id in process.ended for process in processes))
        assert all(process.revocations.is_current for process in processes)
