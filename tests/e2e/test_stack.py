"""`make up` as a process: what it leaves behind, however it ends, is nothing."""

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from deploy.dotenv import read
from stack import explorer
from stack.commands import Commands
from stack.console import Console
from stack.ports import demand_free
from stack.process import ROOT, StackError
from tests.stack import eventually, fresh_settings, router_kinds

LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux can tie a child's life to us"
)


class Supervisor:
    """`python -m stack up`, its output in a file."""

    def __init__(self, settings: Path, data: Path, log: Path) -> None:
        self.log = log
        self.ports = {
            name: int(port) for name, port in read(settings).items() if name.endswith("_PORT")
        }
        self._url = f"http://127.0.0.1:{self.ports['EDGE_PORT']}/healthz"
        places = (f"--settings={settings}", f"--data={data}")
        command = [sys.executable, "-m", "stack", *places]
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [
                    *command,
                    f"--settings={settings}",
                    f"--data={data}",
                    "up",
                    f"--router={router_kinds()[0]}",
                ],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for_line(self, text: str) -> None:
        def said() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return text in self.log.read_text()

        eventually(said, f"{text!r} in the output")

    def wait_until_up(self) -> None:
        self.wait_for_line("Ctrl-C stops everything")
        assert httpx.get(self._url, trust_env=False).status_code == 200

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def children(self) -> dict[int, str]:
        """The command lines of its children and of theirs, by process."""
        return {pid: _ps(pid, "args") for pid in _descendants(self.process.pid)}

    def demand_nothing_left(self, children: dict[int, str]) -> None:
        eventually(lambda: not any(map(_lives, children)), f"all gone: {children}")

        def ports_are_free() -> bool:
            try:
                demand_free({name: ("127.0.0.1", port) for name, port in self.ports.items()})
            except StackError:
                return False
            return True

        eventually(ports_are_free, "all ports are free")


Start = Callable[[], Supervisor]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory of data for all these tests, so each starts on what the one before left."""
    made = tmp_path_factory.mktemp("supervised")
    fresh_settings(made / "settings.env")
    # What `make up` does once may take longer than these tests wait.
    explorer.build(Commands(Console(io.StringIO()), threading.Event()))
    return made


@pytest.fixture
def start(folder: Path, tmp_path: Path) -> Iterator[Start]:
    started: list[Supervisor] = []

    def run() -> Supervisor:
        log = tmp_path / f"log-{len(started)}"
        started.append(Supervisor(folder / "settings.env", folder / "data", log))
        return started[-1]

    yield run
    for supervisor in started:
        supervisor.end()


class TestUp:
    @pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_stops_every_process(self, start: Start, name: signal.Signals) -> None:
        supervisor = start()
        supervisor.wait_until_up()
        children = supervisor.children()
        for program in ("postgres -D", "valkey-server", "subgraphs.auth", "envoy"):
            assert program in " ".join(children.values())
        supervisor.process.send_signal(name)
        assert supervisor.process.wait(30) == 0
        supervisor.demand_nothing_left(children)

    def test_a_signal_while_starting_stops_what_has_started(self, start: Start) -> None:
        supervisor = start()
        supervisor.wait_for_line("Starting PostgreSQL and Valkey")
        children = supervisor.children()
        supervisor.process.send_signal(signal.SIGINT)
        assert supervisor.process.wait(30) == 0
        supervisor.demand_nothing_left(children)

    @pytest.mark.parametrize(
        ("name", "program"),
        [("postgres", "postgres -D"), ("auth", "subgraphs.auth"), ("edge", "/envoy")],
    )
    def test_the_death_of_one_stops_all_and_is_told(
        self, start: Start, name: str, program: str
    ) -> None:
        supervisor = start()
        supervisor.wait_until_up()
        children = supervisor.children()
        victim = next(pid for pid, arguments in children.items() if program in arguments)
        os.kill(victim, signal.SIGKILL)
        assert supervisor.process.wait(30) == 1
        told = supervisor.log.read_text()
        assert f"{name} was killed by SIGKILL. Its last lines:" in told
        supervisor.demand_nothing_left(children)

    @LINUX
    def test_its_own_violent_death_leaves_nothing_behind(self, start: Start) -> None:
        supervisor = start()
        supervisor.wait_until_up()
        children = supervisor.children()
        supervisor.process.kill()
        supervisor.process.wait()
        supervisor.demand_nothing_left(children)

    def test_a_busy_port_is_named_and_by_whom_it_is_held(self, start: Start, folder: Path) -> None:
        port = read(folder / "settings.env")["AUTH_PORT"]
        program = f"import http.server as h; h.test(h.SimpleHTTPRequestHandler, port={port})"
        holder = subprocess.Popen(
            [sys.executable, "-c", program], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        try:
            eventually(lambda: _listens(int(port)), "the port is taken")
            supervisor = start()
            assert supervisor.process.wait(30) == 1
        finally:
            holder.kill()
            holder.wait()
        told = supervisor.log.read_text()
        assert f"Port {port} is in use" in told
        assert "AUTH_PORT" in told
        if sys.platform == "linux":
            assert f"(process {holder.pid})" in told

    def test_two_on_the_same_data_is_refused(self, start: Start) -> None:
        first = start()
        first.wait_until_up()
        second = start()
        assert second.process.wait(30) == 1
        assert "is running already" in second.log.read_text()
        assert first.process.poll() is None


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
    """A zombie, which waits for nothing but being counted, does not."""
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
