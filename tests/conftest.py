"""Servers that tests of several kinds need: real ones, out of wheels, one of each per run."""

import io
import os
import threading
from collections.abc import Iterator

import pytest

from deploy.laptop.console import Console
from deploy.laptop.ports import free_ports
from deploy.laptop.postgres import Postgres
from deploy.laptop.valkey import valkey


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server; the URL is its superuser's. TEST_DATABASE_URL names one that runs."""
    if running := os.environ.get("TEST_DATABASE_URL"):
        yield running
        return
    server = Postgres(tmp_path_factory.mktemp("postgres"), free_ports(1)[0], Console(io.StringIO()))
    never = threading.Event()
    server.initialise(never)
    server.process.start()
    try:
        server.process.wait_until_ready(never)
        yield server.superuser_url
    finally:
        server.process.stop()


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey server's URL."""
    url = f"redis://:secret@127.0.0.1:{free_ports(1)[0]}/0"
    server = valkey(tmp_path_factory.mktemp("valkey"), url, Console(io.StringIO()))
    server.start()
    try:
        server.wait_until_ready(threading.Event())
        yield url
    finally:
        server.stop()
