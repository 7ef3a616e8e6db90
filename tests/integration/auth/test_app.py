"""The auth service as a server runs it: events reach the stream, ended sessions write nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
from redis.asyncio import Redis
from starlette.types import ASGIApp

from chassis.database import Database
from chassis.events import Event
from chassis.shutdown import Shutdown
from stack.ports import free_ports
from subgraphs.auth.app import create_app
from subgraphs.auth.settings import Settings
from tests.integration.conftest import until
from tests.settings import addresses, file_with
from tests.unit.auth.fakes import KEYS

SECRET = "r" * 32
SIGN_UP = """
    mutation { signUp(input: {
        username: "ada", email: "ada@example.com", password: "correct horse"
        emailSettings: {retweets: true}
    }) { __typename } }
"""


@asynccontextmanager
async def started(app: ASGIApp) -> AsyncIterator[None]:
    """Run the lifespan of the application as a server does."""
    received: asyncio.Queue[Any] = asyncio.Queue()
    sent: asyncio.Queue[Any] = asyncio.Queue()
    task = asyncio.ensure_future(app({"type": "lifespan", "state": {}}, received.get, sent.put))
    await received.put({"type": "lifespan.startup"})
    assert await sent.get() == {"type": "lifespan.startup.complete"}
    try:
        yield
    finally:
        await received.put({"type": "lifespan.shutdown"})
        await task


def environment(database_url: str, redis_url: str) -> dict[str, str]:
    return addresses("auth") | {
        "AUTH_DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "ROUTER_SECRET": SECRET,
        "AUTH_SIGNING_KEYS_FILE": file_with(KEYS.serialize()),
        "AUTH_REFRESH_SECRET": SECRET,
        "AUTH_CODE_SECRET": SECRET,
        "ACCOUNT_MAIL_SECRET": SECRET,
        "AUTH_ISSUER": "https://chirp.example",
        "AUTH_AUDIENCE": "chirp",
        "AUTH_GRPC_PORT": str(free_ports(1)[0]),
    }


async def test_sign_up_is_published(
    database: Database, auth_database_url: str, valkey_url: str, redis: Redis
) -> None:
    app = create_app(Settings.from_env(environment(auth_database_url, valkey_url)), Shutdown())
    transport = httpx.ASGITransport(app)

    async def both_published() -> bool:
        return bool(await redis.xlen("events.auth") == 2)

    async with started(app), httpx.AsyncClient(transport=transport, base_url="http://auth") as http:
        answer = await http.post(
            "/graphql", json={"query": SIGN_UP}, headers={"x-router-secret": SECRET}
        )
        assert answer.json() == {"data": {"signUp": {"__typename": "SignedIn"}}}
        await until(both_published)
        entries = await redis.xrange("events.auth") or []
    registered, requested = (Event.from_json(str((fields or {})["event"])) for _, fields in entries)
    assert registered.type == "user-registered"
    assert registered.data["emailSettings"] == {"retweets": True}
    assert requested.type == "account-mail-requested"


async def test_ended_session_writes_nothing_without_redis(
    database: Database, auth_database_url: str
) -> None:
    variables = environment(auth_database_url, "redis://127.0.0.1:1/0")
    app = create_app(Settings.from_env(variables), Shutdown())
    transport = httpx.ASGITransport(app)
    revoke = f'mutation {{ revokeSession(id: "{uuid4()}") {{ __typename }} }}'
    sign_up = SIGN_UP.replace("__typename", "... on SignedIn { accessToken session { id } }")
    async with started(app), httpx.AsyncClient(transport=transport, base_url="http://auth") as http:

        async def ask(query: str, headers: dict[str, str]) -> Any:
            headers = {"x-router-secret": SECRET, **headers}
            return (await http.post("/graphql", json={"query": query}, headers=headers)).json()

        signed_in = (await ask(sign_up, {}))["data"]["signUp"]
        bearer = {"authorization": f"Bearer {signed_in['accessToken']}"}
        verified = await http.get("/authorize/graphql", headers=bearer)
        principal = {n: v for n, v in verified.headers.items() if n.startswith("x-auth-")}
        assert await ask(revoke, principal) == {
            "data": {"revokeSession": {"__typename": "SessionNotFoundError"}}
        }
        await database.transaction(
            lambda c: c.execute(
                "DELETE FROM sessions WHERE id = :id", {"id": UUID(signed_in["session"]["id"])}
            )
        )
        answer = await ask(revoke, principal)
        assert [error["extensions"] for error in answer["errors"]] == [
            {"code": "UNAUTHENTICATED", "reason": "SESSION_ENDED"}
        ]
