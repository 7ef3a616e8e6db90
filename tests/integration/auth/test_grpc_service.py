"""The answers to other services about tokens and sessions, over a real channel."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, NoReturn, cast
from uuid import UUID, uuid4

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from chassis.database import DatabaseUnavailableError
from chassis.errors import Refusal, TokenRefused
from chassis.sessions.client import MAX_SESSIONS, GrpcSessions, IdentityUnavailable
from chassis.settings import Secret
from chassis.shutdown import Shutdown
from notifier.auth_client import GrpcAccountMails
from notifier.errors import ContentFailed, ContentUnavailable
from stack.ports import free_ports
from subgraphs.auth import grpc_service
from subgraphs.auth.grpc_server import serving
from subgraphs.auth.grpc_service import (
    ACCOUNT_MAILS,
    SESSIONS,
    account_mails_handler,
    sessions_handler,
)
from subgraphs.auth.mails import AccountMails
from tests.unit.auth.test_authorize import World

Call = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Auth:
    """The gRPC server of an auth process, and the tokens and sessions that it knows."""

    def __init__(self) -> None:
        self.world = World()
        self.shutdown = Shutdown()
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self.can_answer = True

    @asynccontextmanager
    async def running(self, *, reflected: bool = False) -> AsyncIterator[None]:
        async def can_answer() -> bool:
            return self.can_answer

        async with serving(
            {SESSIONS: sessions_handler(self.world.verification)},
            address=self.address,
            can_answer=can_answer,
            shutdown=self.shutdown,
            reflected=reflected,
        ):
            yield


@pytest.fixture
def auth() -> Auth:
    return Auth()


@pytest.fixture
async def sessions(auth: Auth) -> AsyncIterator[GrpcSessions]:
    client = GrpcSessions(auth.address)
    async with auth.running(), client.running():
        yield client


@pytest.fixture(autouse=True)
def long_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no deadline pass because the machine is busy."""
    monkeypatch.setattr("chassis.sessions.client._VERIFY_TIMEOUT", 20.0)
    monkeypatch.setattr("chassis.sessions.client._CHECK_TIMEOUT", 20.0)


class TestVerifyToken:
    async def test_valid_token_returns_its_principal(
        self, auth: Auth, sessions: GrpcSessions
    ) -> None:
        token = auth.world.token()
        expected = auth.world.principals[token]
        principal = await sessions.verify(token)
        assert principal.expires_at == expected.expires_at.replace(microsecond=0)
        assert (principal.user_id, principal.username, principal.scopes, principal.session_id) == (
            expected.user_id,
            expected.username,
            expected.scopes,
            expected.session_id,
        )

    async def test_token_that_the_edge_asked_about_is_not_verified_again(
        self, auth: Auth, sessions: GrpcSessions
    ) -> None:
        token = auth.world.token()
        await auth.world.get(f"Bearer {token}")
        await sessions.verify(token)
        assert auth.world.verified == [token]

    @pytest.mark.parametrize("token", ["forged", "", "Bearer x", "a b", "ü", "\0", 20_000 * "a"])
    async def test_invalid_token_is_refused(self, sessions: GrpcSessions, token: str) -> None:
        with pytest.raises(TokenRefused, match="not valid"):
            await sessions.verify(token)

    async def test_expired_token_is_refused_as_expired(
        self, auth: Auth, sessions: GrpcSessions
    ) -> None:
        auth.world.refusals["old"] = TokenRefused(Refusal.EXPIRED)
        with pytest.raises(TokenRefused) as refused:
            await sessions.verify("old")
        assert refused.value.refusal is Refusal.EXPIRED

    @pytest.mark.parametrize("current", [True, False])
    async def test_token_of_an_ended_session_is_refused_as_ended(
        self, auth: Auth, sessions: GrpcSessions, current: bool
    ) -> None:
        token = auth.world.token()
        auth.world.revocations.is_current = current
        await sessions.verify(token)
        auth.world.revocations.ended.add(str(auth.world.principals[token].session_id))
        auth.world.live.clear()
        with pytest.raises(TokenRefused) as refused:
            await sessions.verify(token)
        assert refused.value.refusal is Refusal.SESSION_ENDED

    async def test_verification_fails_without_revocations_and_database(
        self, auth: Auth, sessions: GrpcSessions
    ) -> None:
        token = auth.world.token()
        auth.world.revocations.is_current = False
        auth.world.database_is_away = True
        with pytest.raises(IdentityUnavailable):
            await sessions.verify(token)

    async def test_deadline_ends_the_wait_for_a_hanging_database(
        self, auth: Auth, sessions: GrpcSessions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cancelled = asyncio.Event()

        async def hang(_: Collection[UUID]) -> Collection[UUID]:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return []

        monkeypatch.setattr("chassis.sessions.client._VERIFY_TIMEOUT", 0.2)
        auth.world.revocations.is_current = False
        monkeypatch.setattr(auth.world.verification, "_live", hang)
        with pytest.raises(IdentityUnavailable):
            await sessions.verify(auth.world.token())
        await asyncio.wait_for(cancelled.wait(), 10)


class TestCheckSessions:
    @pytest.mark.parametrize("current", [True, False])
    async def test_ended_sessions_are_returned(
        self, auth: Auth, sessions: GrpcSessions, current: bool
    ) -> None:
        live, ended = ([uuid4() for _ in range(MAX_SESSIONS)] for _ in range(2))
        auth.world.live = set(live)
        auth.world.revocations.ended = set(map(str, ended))
        auth.world.revocations.is_current = current
        found = await sessions.ended([str(id_) for id_ in (*live, *ended)])
        assert set(found) == set(map(str, ended))
        assert len(auth.world.asked) == (0 if current else 2 * MAX_SESSIONS)

    async def test_no_call_is_made_about_no_session(self) -> None:
        assert await GrpcSessions("nowhere.invalid:1").ended([]) == []

    @pytest.mark.parametrize(
        "ids", [["no-uuid"], [str(uuid4()) for _ in range(grpc_service.MAX_SESSIONS + 1)]]
    )
    async def test_malformed_or_too_many_ids_are_refused(
        self, auth: Auth, sessions: GrpcSessions, ids: list[str]
    ) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await sessions._ended(ids)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    async def test_message_over_the_size_limit_is_refused(
        self, auth: Auth, sessions: GrpcSessions
    ) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await sessions._ended([70_000 * "a"])
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


class TestConnection:
    async def test_client_starts_before_auth_and_survives_its_restart(self, auth: Auth) -> None:
        client, token = GrpcSessions(auth.address), auth.world.token()
        async with client.running():
            for _ in range(2):
                with pytest.raises(IdentityUnavailable):
                    await client.verify(token)
                async with auth.running():
                    await eventually_verified(client, token)

    async def test_text_of_an_exception_is_not_sent(self, auth: Auth) -> None:
        auth.world.revocations.is_current = False
        auth.world.database_is_away = True
        async with auth.running(), grpc.aio.insecure_channel(auth.address) as channel:
            check: Call = channel.unary_unary(f"/{SESSIONS}/CheckSessions")
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await check(b"\n\x24" + str(uuid4()).encode())
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert refused.value.details() == "Auth cannot answer right now."


class TestGetMail:
    @pytest.mark.parametrize(
        ("error", "failure"),
        [
            (ValueError("a mail of an unknown kind"), ContentFailed("auth: INTERNAL")),
            (DatabaseUnavailableError("away"), ContentUnavailable("auth: UNAVAILABLE")),
        ],
    )
    async def test_failure_at_one_mail_differs_from_an_outage(
        self, error: Exception, failure: Exception
    ) -> None:
        class Mails:
            async def content(self, _: UUID) -> NoReturn:
                raise error

        async def healthy() -> bool:
            return True

        address, secret = f"127.0.0.1:{free_ports(1)[0]}", "m" * 32
        handler = account_mails_handler(cast("AccountMails", Mails()), secret)
        client = GrpcAccountMails(address, Secret(secret))
        async with (
            serving(
                {ACCOUNT_MAILS: handler},
                address=address,
                can_answer=healthy,
                shutdown=Shutdown(),
                reflected=False,
            ),
            client.running(),
        ):
            with pytest.raises(type(failure), match=rf"^{failure}$"):
                await client.fetch(uuid4())


async def eventually_verified(client: GrpcSessions, token: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await client.verify(token)
            except IdentityUnavailable:
                await asyncio.sleep(0.05)
            else:
                return


class TestServer:
    async def test_health_follows_can_answer_and_shutdown(
        self, auth: Auth, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("subgraphs.auth.grpc_server._CHECK_EVERY", 0.01)
        request = health_pb2.HealthCheckRequest(service=SESSIONS)
        async with auth.running(), grpc.aio.insecure_channel(auth.address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            seen = []
            async with asyncio.timeout(20):
                async for change in health.Watch(request):
                    seen.append(change.status)
                    if seen[-3:] == [SERVING, NOT_SERVING, SERVING]:
                        auth.shutdown.announce()
                    elif seen[-1] == SERVING:
                        auth.can_answer = False
                    elif len(seen) > 3:
                        break
                    else:
                        auth.can_answer = True
            assert seen[-4:] == [SERVING, NOT_SERVING, SERVING, NOT_SERVING]
            whole = await health.Check(health_pb2.HealthCheckRequest())
            assert whole.status == NOT_SERVING

    @pytest.mark.parametrize("reflected", [True, False])
    async def test_services_are_listed_only_with_reflection(
        self, auth: Auth, reflected: bool
    ) -> None:
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        async with (
            auth.running(reflected=reflected),
            grpc.aio.insecure_channel(auth.address) as channel,
        ):
            stub: Any = reflection_pb2_grpc
            answers = stub.ServerReflectionStub(channel).ServerReflectionInfo(iter([request]))
            if not reflected:
                with pytest.raises(grpc.aio.AioRpcError):
                    await answers.read()
                return
            answer = await answers.read()
            names = {service.name for service in answer.list_services_response.service}
            assert {SESSIONS, "grpc.health.v1.Health"} <= names

    async def test_address_in_use_is_an_error(self, auth: Auth) -> None:
        async with auth.running():
            with pytest.raises(OSError, match="cannot listen"):
                async with auth.running():
                    pass

    async def test_calls_in_flight_are_answered_at_shutdown(
        self, auth: Auth, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked, answer = asyncio.Event(), asyncio.Event()

        async def slow(session_ids: Collection[UUID]) -> Collection[UUID]:
            asked.set()
            await answer.wait()
            return session_ids

        auth.world.revocations.is_current = False
        monkeypatch.setattr(auth.world.verification, "_live", slow)
        client, token = GrpcSessions(auth.address), auth.world.token()
        async with client.running():
            async with auth.running():
                call = asyncio.ensure_future(client.verify(token))
                await asked.wait()
                asyncio.get_running_loop().call_later(0.1, answer.set)
            assert (await call).username == "ada"


def test_client_asks_about_no_more_sessions_than_auth_accepts() -> None:
    assert MAX_SESSIONS <= grpc_service.MAX_SESSIONS
