"""The whole system as processes of this machine, started in order and stopped in reverse."""

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from chassis.topology import Service, declared
from stack import log_lines, mailbox, node, status, supergraph
from stack.addresses import Addresses
from stack.commands import Commands
from stack.edge import edge
from stack.explorer import EXPLORER, explorer, is_built
from stack.migrations import Migrations
from stack.pages import Page, Pages
from stack.ports import demand_free
from stack.postgres import Postgres
from stack.preload import Preloader
from stack.process import LOGS, ROOT, HttpProbe, Process, StackError, StoppedError, log_file
from stack.router import Kind, find_cached, find_router, router_environment
from stack.router_binary import Download
from stack.services import settings_of
from stack.valkey import valkey

Report = Callable[[StackError], None]
_POLL = 0.1  # seconds


class Stack:
    """PostgreSQL and Valkey ("servers"), mailbox, services, router, edge; with one data directory.

    Use it from one thread, the main one.
    """

    def __init__(
        self,
        settings: Mapping[str, str],
        data: Path,
        commands: Commands,
        kind: Kind | None = None,
        *,
        preloader: Preloader | None = None,
        download: Download | None = None,
        hot_reload: bool = False,
    ) -> None:
        """Without `kind` it runs the Apollo Router if installed, else the stand-in.

        With a `download`, the stand-in runs if it is installed or the download takes longer. With
        `hot_reload` the router takes a new supergraph while it serves. Raises StackError when the
        router that is asked for is missing.
        """
        self._settings = settings
        self._data = data.resolve()
        self._commands = commands
        self._console = commands.console
        self._interrupted = commands.interrupted
        self._preloader = preloader
        self._download = download
        self._hot_reload = hot_reload
        self._router = find_router(settings) if kind is not Kind.STAND_IN else None
        if kind is Kind.ROUTER and self._router is None:
            raise StackError("The Apollo Router is not installed. Run: make router")
        self._addresses = Addresses(settings)
        self._postgres = Postgres(self._data, int(settings["POSTGRES_PORT"]), self._console)
        self._migrations = Migrations(
            self._data / "migrations.stamp", self._postgres, self._addresses, self._settings_of
        )
        self._pages = self._planned_pages()
        self._waits_for_router = threading.Event()
        """All that the router depends on is ready."""
        self._is_up = False
        self._lock: int | None = None
        self.processes: dict[str, Process] = {}

    @property
    def kind(self) -> Kind:
        return Kind.ROUTER if self._router else Kind.STAND_IN

    @property
    def has_explorer(self) -> bool:
        return EXPLORER in declared().services

    def url(self, name: str) -> str:
        """Return the address of edge, router or a service, without a slash at its end."""
        return self._addresses.url(name)

    # -- life ------------------------------------------------------------------------------------

    def start(self, report: Report | None = None) -> None:
        """Return when the API answers. Raises StackError or StoppedError.

        A page that has been built answers, too; the others are begun (`start_pages`). `report` gets
        the failure of a service or of the composition, and the start goes on: the user can repair
        the code while the rest runs.
        """
        if not self.lock_data():
            raise StackError(
                f"This stack is running already, with its data in {self._data}. "
                "Stop it with Ctrl-C in its terminal first."
            )
        demand_free(self._addresses.ports())
        for log in (self._data / LOGS).glob("*.log"):
            log.unlink()
        with ThreadPoolExecutor() as threads:
            try:
                self._start(threads, report)
            except BaseException:
                self._interrupted.set()  # or the commands on the threads would run to their end
                raise

    def _start(self, threads: ThreadPoolExecutor, report: Report | None) -> None:
        timed_step = self._console.timed_step
        # It may install packages, while the databases start.
        making = threads.submit(self._router_process)
        self._pages.make(all_of_them=False)
        if self._addresses.runs_postgres:
            self._postgres.initialise(self._interrupted)
        with timed_step("Starting PostgreSQL and Valkey"):
            servers = self._launch_servers()
            made = [future.result() for _, future in self._pages.take(wait=True)]
            pages = [page for page in made if page.name == EXPLORER]
            self._launch(*pages)
            self._launch_if_made(making)
            self._await_servers(servers)
        self.migrate_if_needed()
        self._launch_if_made(making)
        subgraphs = declared().subgraphs
        with timed_step(f"Starting {', '.join(service.name for service in subgraphs)}"):
            services = [self._service(service) for service in subgraphs]
            self._launch(*services)
            failed = self._await_services(services, report)
        self._waits_for_router.set()
        router = making.result()
        with timed_step(f"Starting the {self.kind.described}"):
            self._launch_if_made(making)
            self._await(router, *pages)
        if not failed:
            self._update_supergraph(report)
        with timed_step("Starting the edge (Envoy)"):
            proxy = edge(self._data, self._settings, self.url("edge"), self._console)
            self._launch(proxy)
            if not failed:  # else the edge is not healthy
                self._await(proxy)
        # It takes 0.8 s of processor time, and the first mail is sent after the API answers.
        for mail in (page for page in made if page not in pages):
            with timed_step(f"Starting the {mail.name}"):
                self._launch(mail)
                self._await(mail)
        self._is_up = True
        self._pages.make(all_of_them=True)

    @property
    def missing_pages(self) -> set[str]:
        """The pages that are still being installed or built."""
        return self._pages.missing

    def start_pages(self, *, wait: bool = False) -> None:
        """Start the pages that have been built since, or all; show those that cannot be built."""
        for name, future in self._pages.take(wait=wait):
            try:
                page = future.result()
                self._launch(page)
                self._await(page)
            except StackError as failure:
                self._console.error(f"{failure}\nEverything else runs on without the {name}.")
                if name in self.processes:
                    self.processes.pop(name).stop()  # it may run on, though not ready
            except StoppedError:
                return
            else:
                self._console.step(f"The {name} is ready")

    def start_servers(self) -> None:
        """Start PostgreSQL, with a database for each service, and Valkey."""
        if self._addresses.runs_postgres:
            self._postgres.initialise(self._interrupted)
        with self._console.timed_step("Starting PostgreSQL and Valkey"):
            self._await_servers(self._launch_servers())

    def _launch_servers(self) -> list[Process]:
        servers = []
        if self._addresses.runs_postgres:
            servers.append(self._postgres.process)
        if self._addresses.runs_valkey:
            servers.append(valkey(self._data, self._settings["REDIS_URL"], self._console))
        self._launch(*servers)
        return servers

    def _await_servers(self, servers: Sequence[Process]) -> None:
        self._await(*servers)
        if self._postgres.process in servers and not self._migrations.are_done():
            self._postgres.create_databases(self._addresses.databases)

    def migrate_if_needed(self) -> None:
        """Migrate if a migration or a database has changed. Raises StackError."""
        if not self._migrations.are_done():
            self.migrate()

    def migrate(self) -> None:
        with self._console.timed_step("Migrating the databases"):
            self._migrations.run(self._commands, self._preloader)

    def wait(self) -> None:
        """Return when interrupted. Raises StackError when a process ends."""
        while not self._interrupted.wait(0.2):
            self.start_pages()
            for process in self.processes.values():
                process.fail_if_ended()

    def stop(self) -> None:
        """Stop everything, the edge first and the servers last."""
        self._interrupted.set()
        self._pages.close()
        if self.processes:
            with self._console.timed_step("Stopping"):
                self._stop_processes()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _stop_processes(self) -> None:
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

    # -- single processes ------------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """Kill one process; the others stay."""
        self.processes[name].kill()

    def restart(self, *names: str) -> None:
        """Stop processes and start them again; return when all are ready. Raises StackError."""
        processes = [self.processes[name] for name in names]
        for process in processes:
            process.ask_to_stop()
        for process in processes:
            process.stop()
        self._launch(*processes)
        self._await(*processes)

    def _launch(self, *processes: Process) -> None:
        for process in processes:
            self.processes[process.name] = process
            process.start()
        status.write(self._data, self.processes, self._addresses.ports_of)

    def _launch_if_made(self, making: "Future[Process]") -> None:
        """Launch a process that has been made on a thread, once. Raises what making it raised."""
        if making.done() and making.result().name not in self.processes:
            self._launch(making.result())

    def _await(self, *processes: Process) -> None:
        for process in processes:
            process.wait_until_ready(self._interrupted)

    def _await_services(self, services: list[Process], report: Report | None) -> bool:
        """Return whether one has failed. Raises StackError instead when there is no `report`."""
        failed = False
        for service in services:
            try:
                self._await(service)
            except StackError as failure:
                if report is None:
                    raise
                report(failure)
                failed = True
        return failed

    def _update_supergraph(self, report: Report | None) -> None:
        """Compose again if the code of a subgraph serves another schema than the exported one."""
        try:
            changed = self.compose_served(declared().subgraphs)
        except StackError as failure:
            if report is None:
                raise
            report(failure)
            return
        if changed and not self._hot_reload:
            self.restart("router")

    def compose_served(self, subgraphs: Sequence[Service]) -> bool:
        """Export the schemas that these subgraphs serve and compose them if one has changed.

        Returns whether there is a new supergraph. Raises StackError when they do not compose.
        """
        secret = self._settings["ROUTER_SECRET"]
        served = {
            service.name: supergraph.served_schema(self.url(service.name), secret)
            for service in subgraphs
        }
        supergraph.write_schemas(served)
        if supergraph.is_composed():
            return False
        supergraph.compose(self._commands)
        # They have read the earlier one.
        self.restart(*(s.name for s in declared().subgraphs if s.subscriptions))
        return True

    def _service(self, service: Service) -> Process:
        return Process(
            service.name,
            [sys.executable, "-m", service.module, "serve"],
            console=self._console,
            environment=self._settings_of(service.name),
            ready=HttpProbe(f"{self.url(service.name)}/readyz"),
            is_routine=self._is_routine,
            log=log_file(self._data, service.name),
            preloader=self._preloader,
        )

    def _is_routine(self, line: str) -> bool:
        """Return whether a quiet console leaves out a line of a service.

        While the stack starts, services warn that others are not there yet.
        """
        return log_lines.below_warning(line) if self._is_up else log_lines.below_error(line)

    def _planned_pages(self) -> Pages:
        pages = {}
        if EXPLORER in declared().services:
            pages[EXPLORER] = Page(is_built, self._explorer)
        if mailbox.is_wanted(self._settings):
            pages["mailbox"] = Page(mailbox.is_installed, self._mailbox)
        return Pages(pages)

    def _explorer(self) -> Process:
        return explorer(
            self._settings,
            self.url(EXPLORER),
            self._commands,
            log=log_file(self._data, EXPLORER),
            preloader=self._preloader,
        )

    def _mailbox(self) -> Process:
        log = log_file(self._data, "mailbox")
        return mailbox.mailbox(self._data, self._settings, self._commands, log)

    def _router_process(self) -> Process:
        command: list[str | Path]
        self._await_download()
        if self._router:
            configuration = ROOT / "router" / "router.yaml"
            command = [self._router, "--config", configuration]
            command += ["--supergraph", supergraph.SUPERGRAPH]
        else:
            gateway = ROOT / "router" / "gateway.mjs"
            command = [node.install_packages(self._commands, node.ROUTER_PACKAGES), gateway]
        environment = {"APOLLO_ROUTER_LOG": "warn"} | router_environment(self._settings)
        if self._hot_reload:
            environment["APOLLO_ROUTER_HOT_RELOAD"] = "true"
        return Process(
            "router",
            command,
            console=self._console,
            environment=environment,
            ready=HttpProbe(f"{self.url('router')}/health"),
            is_routine=log_lines.below_error,
            log=log_file(self._data, "router"),
        )

    def _await_download(self) -> None:
        """Take the router that is being downloaded, if the stand-in is not faster to be had.

        An installed stand-in is; else it is installed once everything else waits for the router.
        """
        if self._download is None or node.are_installed(node.ROUTER_PACKAGES):
            return
        while self._download.running and not self._waits_for_router.is_set():
            self._download.wait(_POLL)
            if self._interrupted.is_set():
                raise StoppedError
        if not self._download.running:
            self._router = find_cached()

    def _settings_of(self, name: str) -> dict[str, str]:
        """Return the environment of one service, without the settings of the others."""
        return settings_of(name, {**os.environ, **self._settings})

    def lock_data(self) -> bool:
        """Lock the data; False if another stack has. The kernel unlocks it however we end."""
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = status.try_lock(self._data)
        return self._lock is not None
