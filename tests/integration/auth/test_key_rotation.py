"""The signing key is replaced under load, with two processes that never restart."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from time import monotonic, time
from typing import Any

import httpx
import jwt
import pytest

from chassis.database import Database
from stack.ports import free_ports
from subgraphs.auth import key_file
from subgraphs.auth.keys import KeyRing, SigningKey, Step, Waits
from tests.integration.auth.test_app import SECRET, environment

LIFETIME, WAIT = 3, 8  # seconds
WAITS = Waits(timedelta(seconds=WAIT), timedelta(seconds=LIFETIME))
"""Without a tolerance for clocks: here all processes have one."""
SIGN_UP = """
    mutation { signUp(input: {
        username: "ada", email: "ada@example.com", password: "correct horse"
    }) {
        ... on SignedIn { accessToken refreshToken }
    } }
"""
REFRESH = """
    mutation($token: String!) { refreshSession(refreshToken: $token) {
        ... on SignedIn { accessToken refreshToken }
    } }
"""


@asynccontextmanager
async def serving(variables: Mapping[str, str]) -> AsyncIterator[Process]:
    """Run `serve` in a process of its own, until it is ready."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "subgraphs.auth", "serve"), env=variables, stdout=DEVNULL
    )
    try:
        async with httpx.AsyncClient(trust_env=False) as client:

            async def is_ready() -> bool:
                assert process.returncode is None
                try:
                    url = f"http://127.0.0.1:{variables['AUTH_PORT']}/readyz"
                    return (await client.get(url)).status_code == 200
                except httpx.TransportError:
                    return False

            await until(is_ready)
        yield process
    finally:
        process.terminate()
        await process.wait()


class Load:
    """Refreshes a session at one process after another, and uses its tokens at all of them.

    A token must be accepted everywhere until it expires, and its key must be in a JWKS that was
    fetched up to `WAIT` seconds ago.
    """

    def __init__(self, client: httpx.AsyncClient, urls: list[str], signed_in: Any) -> None:
        self.signed_in = signed_in
        self.refused: list[tuple[str, str]] = []
        self.requests = 0
        self.signers: list[str] = []
        self._client, self._urls = client, urls
        self._alive: list[str] = [signed_in["accessToken"]]
        self._jwks: tuple[float, set[str]] = (0, set())

    async def run(self) -> None:
        for url in cycle(self._urls):
            self.signed_in = await graphql(
                self._client, url, REFRESH, token=self.signed_in["refreshToken"]
            )
            self._alive.append(self.signed_in["accessToken"])
            await self._use_all()

    async def _use_all(self) -> None:
        self._alive = [t for t in self._alive if claims(t)["exp"] > time()][-20:]
        for token in self._alive:
            key = jwt.get_unverified_header(token)["kid"]
            self.signers += [key] if key not in self.signers else []
            if key not in await self._published():
                self.refused.append(("a cached JWKS", key))
            for url in self._urls:
                self.requests += 1
                refused = await status(self._client, url, token) != 200
                if refused and claims(token)["exp"] > time():
                    self.refused.append((url, key))

    async def _published(self) -> set[str]:
        """Return the ids in the JWKS, as the reader of a cache of `WAIT` seconds knows it."""
        fetched, ids = self._jwks
        if monotonic() - fetched > WAIT:
            fetched = monotonic()
            answer = await self._client.get(f"{self._urls[0]}/.well-known/jwks.json")
            ids = {jwk["kid"] for jwk in answer.json()["keys"]}
            self._jwks = fetched, ids
        return ids


async def graphql(client: httpx.AsyncClient, url: str, document: str, **variables: str) -> Any:
    answer = await client.post(
        f"{url}/graphql",
        json={"query": document, "variables": variables},
        headers={"x-router-secret": SECRET},
    )
    (result,) = answer.json()["data"].values()
    return result


async def status(client: httpx.AsyncClient, url: str, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    return (await client.get(f"{url}/authorize/graphql", headers=headers)).status_code


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def long_lived(token: str, key: SigningKey) -> str:
    """Return a token like this one that would be valid for an hour."""
    changed = claims(token) | {"exp": int(time()) + 3600}
    return jwt.encode(changed, key.private, "ES256", headers={"kid": key.id})


async def rotate(file: Path, step: Step) -> None:
    """Take a step as soon as it is due, as the command `keys rotate --wait` does."""
    ring = key_file.read(file)
    assert ring.next_step() is step
    await asyncio.sleep((ring.due(WAITS) - datetime.now(UTC)).total_seconds())
    key_file.write(file, ring.rotated(datetime.now(UTC), WAITS))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(120):
        while not await condition():
            await asyncio.sleep(0.05)


@pytest.mark.timeout(400)
@pytest.mark.asvs("9.1.3")
async def test_key_is_replaced_under_load_and_no_good_token_is_refused(
    database: Database, auth_database_url: str, valkey_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    old = SigningKey.generate()
    key_file.write(file, KeyRing.of(old))
    settings = {
        **os.environ,
        **environment(auth_database_url, valkey_url),
        "AUTH_SIGNING_KEYS_FILE": str(file),
        "AUTH_ACCESS_TOKEN_SECONDS": str(LIFETIME),
    }

    async with AsyncExitStack() as stack:
        ports = [free_ports(2), free_ports(2)]
        urls = [f"http://127.0.0.1:{http}" for http, _ in ports]
        processes = [
            await stack.enter_async_context(
                serving(settings | {"AUTH_PORT": str(http), "AUTH_GRPC_PORT": str(grpc)})
            )
            for http, grpc in ports
        ]
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=30))
        load = Load(client, urls, await graphql(client, urls[0], SIGN_UP))
        running = asyncio.create_task(load.run())

        await rotate(file, Step.ADD)
        await rotate(file, Step.PROMOTE)
        forged = long_lived(load.signed_in["accessToken"], old)
        assert [await status(client, url, forged) for url in urls] == [200, 200]
        await rotate(file, Step.REMOVE)
        (new,) = key_file.read(file).keys
        # The removed key is worthless, even for a token that the processes have seen.
        await until(all_refuse(client, urls, forged))
        await asyncio.sleep(LIFETIME)

        assert not running.done(), running.result()
        running.cancel()
        assert load.refused == []
        assert load.signers == [old.id, new.key.id]
        assert load.requests > 100
        assert [process.returncode for process in processes] == [None, None]


def all_refuse(
    client: httpx.AsyncClient, urls: list[str], token: str
) -> Callable[[], Awaitable[bool]]:
    async def refuse() -> bool:
        return {await status(client, url, token) for url in urls} == {401}

    return refuse
