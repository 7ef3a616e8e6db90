"""`make up` as a process: what it shows, and that nothing is left when it has ended."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from deploy.dotenv import read
from stack import explorer, status
from stack.commands import Commands
from stack.console import Console
from stack.ports import demand_free, free_ports
from stack.process import ROOT, StackError
from stack.router import Kind, cached_binary, find_router
from tests.release import Release
from tests.stack import eventually, fresh_settings, router_kinds

LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux ends a child when its parent is killed"
)
ON_THE_ROUTER = pytest.mark.skipif(
    Kind.ROUTER not in router_kinds(), reason="the tests run on the stand-in alone"
)
PATIENCE = 120.0  # seconds; other tests may share the cores


class Supervisor:
    """`python -m stack up`, its output in a file."""

    def __init__(
        self, settings: Path, data: Path, log: Path, *options: str, **environment: str
    ) -> None:
        self.log = log
        self.ports = {
            name: int(port) for name, port in read(settings).items() if name.endswith("_PORT")
        }
        self._data = data
        self._url = f"http://127.0.0.1:{self.ports['EDGE_PORT']}"
        self._stack = [sys.executable, "-m", "stack", f"--settings={settings}", f"--data={data}"]
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [*self._stack, "up", *options],
                cwd=ROOT,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for_line(self, text: str) -> None:
        def is_shown() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return text in self.log.read_text()

        eventually(is_shown, f"{text!r} in the output", PATIENCE)

    def wait_until_up(self) -> None:
        self.wait_for_line("  Stop      Ctrl-C")
        assert httpx.get(f"{self._url}/healthz", trust_env=False).status_code == 200

    def ask(self, query: str) -> object:
        """Return the data of the answer to a GraphQL operation."""
        answer = httpx.post(f"{self._url}/graphql", json={"query": query}, trust_env=False)
        return answer.json()["data"]

    def subscribe_anonymously(self) -> None:
        """Open a subscription, which ends with an error at once."""
        query = {"query": "subscription { tweetFeed { cursor } }"}
        headers = {"accept": "text/event-stream"}
        answer = httpx.post(f"{self._url}/graphql", json=query, headers=headers, trust_env=False)
        assert "UNAUTHENTICATED" in answer.text

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run another command on the same data."""
        return subprocess.run(
            [*self._stack, *words], cwd=ROOT, capture_output=True, text=True, check=False
        )

    def pid_of(self, name: str) -> int:
        return next(entry.pid for entry in status.read(self._data) if entry.name == name)

    def end(self) -> None:
        """Kill it, and wait until nothing of it uses the data or a port."""
        children = self.children() if self.process.poll() is None else {}
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        eventually(lambda: not any(map(_lives, children)), f"all have ended: {children}", PATIENCE)

    def children(self) -> dict[int, str]:
        """Return the command lines of its children and of theirs, by process."""
        return {pid: _ps(pid, "args") for pid in _descendants(self.process.pid)}

    def demand_nothing_left(self, children: dict[int, str]) -> None:
        eventually(lambda: not any(map(_lives, children)), f"all have ended: {children}")

        def are_ports_free() -> bool:
            try:
                demand_free({name: ("127.0.0.1", port) for name, port in self.ports.items()})
            except StackError:
                return False
            return True

        eventually(are_ports_free, "all ports are free")


class Start(Protocol):
    def __call__(self, *options: str, **environment: str) -> Supervisor: ...


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of data for all these tests: each starts on what the one before left."""
    made = tmp_path_factory.mktemp("supervised")
    fresh_settings(made / "settings.env")
    # The first build may take longer than these tests wait.
    explorer.build(Commands(Console(io.StringIO()), threading.Event()))
    return made


@pytest.fixture
def start(folder: Path, tmp_path: Path) -> Iterator[Start]:
    started: list[Supervisor] = []

    def run(*options: str, **environment: str) -> Supervisor:
        log = tmp_path / f"log-{len(started)}"
        options = options or (f"--router={router_kinds()[0]}",)
        settings, data = folder / "settings.env", folder / "data"
        started.append(Supervisor(settings, data, log, *options, **environment))
        return started[-1]

    yield run
    for supervisor in started:
        supervisor.end()


class TestUp:
    @pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
    def test_signal_stops_every_process(self, start: Start, name: signal.Signals) -> None:
        supervisor = start()
        supervisor.wait_until_up()
        children = supervisor.children()
        for program in ("postgres -D", "valkey-server", "envoy"):
            assert program in " ".join(children.values())
        assert supervisor.pid_of("auth") in children
        supervisor.process.send_signal(name)
        assert supervisor.process.wait(60) == 0
        supervisor.demand_nothing_left(children)

    def test_signal_during_the_start_stops_what_has_started(self, start: Start) -> None:
        supervisor = start()
        supervisor.wait_for_line("Starting PostgreSQL and Valkey")
        children = supervisor.children()
        supervisor.process.send_signal(signal.SIGINT)
        assert supervisor.process.wait(60) == 0
        supervisor.demand_nothing_left(children)

    @pytest.mark.parametrize("name", ["postgres", "auth", "edge"])
    def test_death_of_one_process_stops_all_and_is_reported(self, start: Start, name: str) -> None:
        supervisor = start()
        supervisor.wait_until_up()
        children = supervisor.children()
        os.kill(supervisor.pid_of(name), signal.SIGKILL)
        assert supervisor.process.wait(60) == 1
        assert f"{name} was killed by SIGKILL. Its last lines:" in supervisor.log.read_text()
        supervisor.demand_nothing_left(children)

    @LINUX
    def test_killed_supervisor_leaves_nothing_behind(self, start: Start) -> None:
        supervisor = start()
        supervisor.wait_until_up()
        children = supervisor.children()
        supervisor.process.kill()
        supervisor.process.wait()
        supervisor.demand_nothing_left(children)

    def test_busy_port_is_named_with_its_holder(self, start: Start, folder: Path) -> None:
        port = read(folder / "settings.env")["AUTH_PORT"]
        program = f"import http.server as h; h.test(h.SimpleHTTPRequestHandler, port={port})"
        holder = subprocess.Popen(
            [sys.executable, "-c", program], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        try:
            eventually(lambda: _listens(int(port)), "the port is taken")
            supervisor = start()
            assert supervisor.process.wait(60) == 1
        finally:
            holder.kill()
            holder.wait()
        shown = supervisor.log.read_text()
        assert f"Port {port} is in use" in shown
        assert "AUTH_PORT" in shown
        if sys.platform == "linux":
            assert f"(process {holder.pid})" in shown

    def test_second_stack_on_the_same_data_is_refused(self, start: Start) -> None:
        first = start()
        first.wait_until_up()
        second = start()
        assert second.process.wait(60) == 1
        assert "is running already" in second.log.read_text()
        assert first.process.poll() is None

    def test_service_that_does_not_start_is_shown_with_its_last_lines(self, start: Start) -> None:
        supervisor = start(AUTH_ACCESS_TOKEN_SECONDS="soon")
        assert supervisor.process.wait(120) == 1
        shown = supervisor.log.read_text()
        assert "auth ended with status 2. Its last lines:" in shown
        assert "AUTH_ACCESS_TOKEN_SECONDS" in shown

    def test_routine_lines_are_in_the_log_files_alone(self, start: Start, folder: Path) -> None:
        supervisor = start()
        supervisor.wait_until_up()
        assert "Application startup complete" not in supervisor.log.read_text()
        log = folder / "data" / "logs" / "auth.log"
        eventually(lambda: "Application startup complete" in log.read_text(), "it is logged")

    def test_output_is_a_line_for_each_step_and_the_addresses(
        self, start: Start, folder: Path
    ) -> None:
        supervisor = start()
        supervisor.wait_until_up()
        steps, _, box = supervisor.log.read_text().partition("Chirp is up.\n")
        for line in steps.splitlines():
            assert re.fullmatch(r"==> \w.*  \d+\.\d s", line)
        edge = f"http://localhost:{supervisor.ports['EDGE_PORT']}"
        labels = dict(line.split(maxsplit=1) for line in box.splitlines())
        assert (labels["Explorer"], labels["API"]) == (edge, f"{edge}/graphql")
        assert labels["Mail"] == f"http://localhost:{supervisor.ports['MAILBOX_PORT']}"
        logs = (folder / "data" / "logs").glob("*.log")
        assert not [log for log in logs if "CTRL" in log.read_text()]

    def test_request_to_the_api_is_a_line(self, start: Start) -> None:
        supervisor = start()
        supervisor.wait_until_up()
        supervisor.ask("{ me { id } }")
        eventually(
            lambda: (
                re.search(r"^me - \d+ ms ok$", supervisor.log.read_text(), re.MULTILINE) is not None
            ),
            "the line of the request",
        )

    def test_subscription_is_a_line_when_it_has_ended(self, start: Start) -> None:
        supervisor = start()
        supervisor.wait_until_up()
        supervisor.subscribe_anonymously()
        supervisor.wait_for_line("subscription - ")


class TestDemo:
    def test_demo_uses_the_stack_of_its_settings(self, start: Start) -> None:
        supervisor = start()
        supervisor.wait_until_up()
        shown = supervisor.command("demo")
        assert shown.returncode == 0, shown.stdout
        assert f":{supervisor.ports['EDGE_PORT']} in a browser" in shown.stdout


class TestRun:
    def test_command_of_a_service_has_the_settings_of_the_stack(self, start: Start) -> None:
        supervisor = start()
        supervisor.wait_until_up()
        shown = supervisor.command("run", "auth", "accounts", "show", "ada")
        message = "auth: no account has this username, address or id\n"
        assert (shown.returncode, shown.stderr) == (3, message)

    def test_unknown_service_is_an_error(self, start: Start) -> None:
        shown = start().command("run", "cats", "serve")
        assert shown.returncode == 1
        assert "there is no service cats" in shown.stdout


class TestStatus:
    def test_every_process_is_listed_with_its_health(self, start: Start) -> None:
        supervisor = start()
        supervisor.wait_until_up()
        shown = supervisor.command("status")
        assert shown.returncode == 0, shown.stdout
        rows = {line.split()[0]: line.split()[1:3] for line in shown.stdout.splitlines()[1:]}
        assert {"postgres", "valkey", "auth", "router", "edge"} <= set(rows)
        assert all(row == ["running", "healthy"] for row in rows.values())

    def test_stack_that_does_not_run_is_an_error(self, start: Start) -> None:
        supervisor = start()
        supervisor.wait_until_up()
        supervisor.process.send_signal(signal.SIGINT)
        supervisor.process.wait(60)
        shown = supervisor.command("status")
        assert shown.returncode == 1
        assert "Start it: make up" in shown.stdout


class TestRouterDownload:
    """On a machine where no router is installed."""

    @pytest.fixture
    def release(self, tmp_path: Path) -> Iterator[Release]:
        (tmp_path / "release").mkdir()
        made = Release(tmp_path / "release")
        yield made
        made.close()

    @pytest.fixture
    def empty(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
        """Variables of an environment with an empty cache."""
        binary = find_router(os.environ)
        path = [
            f for f in os.environ["PATH"].split(os.pathsep) if not (Path(f) / "router").exists()
        ]
        monkeypatch.delenv("ROUTER_BIN", raising=False)
        empty = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": os.pathsep.join(path)}
        return empty | ({"INSTALLED": str(binary)} if binary else {})

    def test_unreachable_release_is_the_reason_why_the_stand_in_serves(
        self, start: Start, empty: dict[str, str]
    ) -> None:
        nothing = f"http://127.0.0.1:{free_ports(1)[0]}"
        supervisor = start("--verbose", ROUTER_RELEASE_URL=nothing, **empty)
        supervisor.wait_until_up()
        assert "could not be downloaded (Connection refused)" in _line(supervisor, "  Router ")
        assert "make router" in _line(supervisor, "  Router ")
        assert supervisor.ask("{ __typename }") == {"__typename": "Query"}

    def test_slow_download_does_not_delay_the_stand_in(
        self, start: Start, empty: dict[str, str], release: Release
    ) -> None:
        release.gate.clear()
        supervisor = start("--verbose", ROUTER_RELEASE_URL=release.url, **empty)
        supervisor.wait_until_up()
        assert "still downloading" in _line(supervisor, "  Router ")
        assert supervisor.ask("{ __typename }") == {"__typename": "Query"}
        release.gate.set()
        supervisor.wait_for_line("is installed:")
        assert supervisor.ask("{ __typename }") == {"__typename": "Query"}

    @ON_THE_ROUTER
    def test_downloaded_router_serves(
        self,
        start: Start,
        empty: dict[str, str],
        release: Release,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        release.publish(Path(empty["INSTALLED"]).read_bytes())
        supervisor = start("--verbose", ROUTER_RELEASE_URL=release.url, **empty)
        supervisor.wait_until_up()
        supervisor.wait_for_line("is installed:")
        supervisor.process.send_signal(signal.SIGINT)
        assert supervisor.process.wait(60) == 0
        # The first start may have been faster than the download.
        monkeypatch.setenv("XDG_CACHE_HOME", empty["XDG_CACHE_HOME"])
        assert cached_binary().exists()
        second = start("--verbose", ROUTER_RELEASE_URL=release.url, **empty)
        second.wait_until_up()
        assert "the Apollo Router" in _line(second, "  Router ")
        assert second.ask("{ __typename }") == {"__typename": "Query"}


def _line(supervisor: Supervisor, beginning: str) -> str:
    lines = supervisor.log.read_text().splitlines()
    return next(line for line in lines if line.startswith(beginning))


def _descendants(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, listed.splitlines())}
    found = [pid]
    for ancestor in found:
        found.extend(child for child, parent in parents.items() if parent == ancestor)
    return found[1:]


def _lives(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    return _ps(pid, "stat")[:1] not in {"", "Z"}


def _ps(pid: int, what: str) -> str:
    command = ["ps", "-ww", "-o", f"{what}=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _listens(port: int) -> bool:
    try:
        demand_free({"port": ("127.0.0.1", port)})
    except StackError:
        return True
    return False
