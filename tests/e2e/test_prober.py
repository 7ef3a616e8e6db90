"""The prober finds what works and what fails, and leaves no account behind however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import httpx
import pytest

from chassis.topology import declared
from deploy.prober.probe_account import ProbeAccount
from deploy.prober.round import steps
from stack.ports import free_ports
from stack.process import ROOT
from tests.stack import ON_ONE_ROUTER, RunningStack, eventually

pytestmark = ON_ONE_ROUTER

SECRET = "p" * 32
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def start(stack: RunningStack, port: int) -> Iterator[Start]:
    """Return a function that starts a prober; it takes the arguments and further settings."""
    started: list[subprocess.Popen[str]] = []

    def prober(*arguments: str, **variables: str) -> "subprocess.Popen[str]":
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

    yield prober
    for process in started:
        process.kill()
        process.communicate()


def accounts(edge: httpx.Client, name: str) -> int:
    """Return how many accounts of the prober `name` exist."""
    roles = ("author", "reader")
    return sum(ProbeAccount(edge, f"{name}_{role}", SECRET).exists() for role in roles)


def metrics(port: int) -> str:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    except httpx.HTTPError:
        return ""


class TestOnce:
    def test_every_step_succeeds_on_a_healthy_system(
        self, edge: httpx.Client, start: Start
    ) -> None:
        process = start("once")
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        for step in steps(declared().services):
            assert step in output
        assert accounts(edge, "prober_once") == 0

    @pytest.mark.needs("tweets")
    def test_failed_step_is_named(
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


class TestRepeatedRounds:
    def test_steps_are_metrics_and_sigterm_leaves_no_account(
        self, edge: httpx.Client, start: Start, port: int
    ) -> None:
        process = start(PROBER_NAME="terminated")
        eventually(
            lambda: 'chirp_probe_steps_total{result="ok",step="be refused"} 1.0' in metrics(port),
            "a whole round is in the metrics",
        )
        assert 'chirp_probe_step_seconds_count{step="sign in"}' in metrics(port)
        eventually(lambda: accounts(edge, "terminated") > 0, "a round is under way")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert accounts(edge, "terminated") == 0

    def test_next_prober_deletes_the_accounts_of_a_killed_one(
        self, edge: httpx.Client, start: Start
    ) -> None:
        process = start(PROBER_NAME="killed")
        eventually(lambda: accounts(edge, "killed") > 0, "a round is under way")
        process.kill()
        process.wait(30)
        next_port = free_ports(1)[0]
        following = start(PROBER_NAME="killed", PROBER_PORT=str(next_port))
        eventually(lambda: metrics(next_port) != "", "the next prober runs")
        eventually(lambda: accounts(edge, "killed") == 0, "the accounts are deleted")
        following.send_signal(signal.SIGTERM)
        assert following.wait(30) == 0
        assert accounts(edge, "killed") == 0
