"""Real servers for the integration tests: one of each per run, a database for each service."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from chassis.migrations import upgrade

FreshDatabase = Callable[[str, Path | None], Awaitable[str]]


@pytest.fixture(scope="session")
def fresh_database(postgres_server: str) -> FreshDatabase:
    """Makes an empty database and migrates it: (name of the service, its migrations) → its URL.

    `<SERVICE>_TEST_DATABASE_URL` names another server to make it on, by a role that may do so.
    """

    async def make(service: str, versions: Path | None) -> str:
        server = os.environ.get(f"{service.upper()}_TEST_DATABASE_URL") or postgres_server
        name = f"chirp_test_{service}"
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
