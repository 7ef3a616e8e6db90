"""The prober finds what works and what does not, and leaves nothing behind however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import httpx
import pytest

from chassis.topology import declared
from deploy.prober.person import Person
from deploy.prober.rounds import steps
from stack.ports import free_ports
from stack.process import ROOT
from tests.stack import RunningStack, eventually

SECRET = "p" * 32
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def start(stack: RunningStack, port: int) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **variables: str) -> "subprocess.Popen[str]":
        environment = {
            **os.environ,
            "PROBER_URL": stack.url,
            "PROBER_SECRET": SECRET,
            "PROBER_PORT": str(port),
            "PROBER_INTERVAL_SECONDS": "0",
            **variables,
        }
        command = [sys.executable, "-m", "deploy.prober", *arguments]
        started.append(
            subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def accounts(edge: httpx.Client, name: str) -> int:
    """How many accounts there are that a prober of this name would make."""
    found = 0
    for role in ("author", "reader"):
        person = Person(edge, f"{name}_{role}", SECRET)
        given = {"login": person.name, "password": person._password}
        query = """mutation ($login: String!, $password: String!) {
            signIn(input: {login: $login, password: $password}) { __typename } }"""
        found += person.ask(query, given)["signIn"]["__typename"] == "SignedIn"
    return found


def told(port: int) -> str:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    except httpx.HTTPError:
        return ""


class TestOnce:
    def test_all_is_well(self, edge: httpx.Client, start: Start) -> None:
        process = start("once")
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        for step in steps(declared().services):
            assert step in output
        assert accounts(edge, "prober_once") == 0

    @pytest.mark.needs("tweets")
    def test_what_does_not_work_is_named(
        self, edge: httpx.Client, stack: RunningStack, start: Start
    ) -> None:
        stack.kill("tweets")
        try:
            process = start("once")
            output, _ = process.communicate(timeout=60)
        finally:
            stack.restart("tweets")
        assert process.returncode == 1
        (failed,) = [line for line in output.splitlines() if " ms " in line and "ok" not in line]
        assert failed.startswith("subscribe ")
        assert accounts(edge, "prober_once") == 0


class TestForEver:
    def test_it_tells_prometheus_and_a_signal_leaves_nothing_behind(
        self, edge: httpx.Client, start: Start, port: int
    ) -> None:
        process = start(PROBER_NAME="terminated")
        eventually(
            lambda: 'chirp_probe_steps_total{result="ok",step="be refused"} 1.0' in told(port),
            "a whole round is told",
        )
        assert 'chirp_probe_step_seconds_count{step="sign in"}' in told(port)
        eventually(lambda: accounts(edge, "terminated") > 0, "it is in the middle of a round")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert accounts(edge, "terminated") == 0

    def test_what_a_killed_one_left_the_next_one_removes(
        self, edge: httpx.Client, start: Start
    ) -> None:
        process = start(PROBER_NAME="killed")
        eventually(lambda: accounts(edge, "killed") > 0, "it is in the middle of a round")
        process.kill()
        process.wait(30)
        following = start(PROBER_NAME="killed", PROBER_PORT=str(free_ports(1)[0]))
        eventually(lambda: accounts(edge, "killed") == 0, "it is removed")
        following.send_signal(signal.SIGTERM)
        assert following.wait(30) == 0
        assert accounts(edge, "killed") == 0
