"""Two replicas of auth and of tweets are replaced under load, and no request is lost."""

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from client.api import Account, sign_up
from client.documents import CREATE_TWEET, MY_TWEETS, SIGN_IN
from stack.commands import Commands
from stack.console import Console
from stack.edge import edge as edge_process
from stack.ports import free_ports
from stack.process import HttpProbe, Process
from stack.services import module, settings_of
from stack.supervisor import Stack
from tests.e2e.balancer import balancer
from tests.stack import ON_ONE_ROUTER, RunningStack

pytestmark = [pytest.mark.needs("tweets", "notifier"), ON_ONE_ROUTER]

NOTICE = 6
"""Seconds. Edge and router keep an idle connection for 4, and the balancer looks every second."""
CLIENTS = 4


@dataclass
class Replicas:
    """Processes behind one address, and an edge with a router that use that address."""

    edge_url: str
    processes: dict[str, list[Process]]

    def replace(self, index: int) -> None:
        """Replace this replica of each service; return once the new one gets requests."""
        replaced = [replicas[index] for replicas in self.processes.values()]
        for process in replaced:
            process.ask_to_stop()
        for process in replaced:
            process.stop(grace=NOTICE + 15)
            assert process.exit_code in {0, -15}
            process.start()
        for process in replaced:
            process.wait_until_ready(threading.Event())
        time.sleep(2)  # until the balancer uses it, as a roll-out waits with minReadySeconds


@pytest.fixture
def replicas(stack: RunningStack, tmp_path: Path) -> Iterator[Replicas]:
    """Start replicas on the databases and the Valkey of the running stack."""
    auth, tweets, auth_1, auth_2, tweets_1, tweets_2, edge, router, admin = free_ports(9)
    settings = stack.settings | {"SHUTDOWN_NOTICE_SECONDS": str(NOTICE)}
    with (tmp_path / "log").open("w") as log:
        console = Console(log)
        balanced = balancer(
            tmp_path, admin, {auth: (auth_1, auth_2), tweets: (tweets_1, tweets_2)}, console
        )
        processes = {
            "auth": [_service("auth", port, settings, console) for port in (auth_1, auth_2)],
            "tweets": [
                _service("tweets", port, settings, console) for port in (tweets_1, tweets_2)
            ],
        }
        ports = {"AUTH": auth, "TWEETS": tweets, "EDGE": edge, "ROUTER": router}
        around = settings | {f"{name}_PORT": str(port) for name, port in ports.items()}
        front = Stack(around, tmp_path, Commands(console, threading.Event()), stack.kind)
        url = f"http://127.0.0.1:{edge}"
        started = [balanced, *processes["auth"], *processes["tweets"]]
        try:
            for process in started:
                process.start()
            for process in started:
                process.wait_until_ready(threading.Event())
            for make in (
                front._router_process,
                lambda: edge_process(tmp_path, around, url, console),
            ):
                started.insert(0, make())
                started[0].start()
                started[0].wait_until_ready(threading.Event())
            yield Replicas(url, processes)
        finally:
            for process in started:
                process.ask_to_stop()
            for process in started:
                process.kill()


def _service(name: str, port: int, settings: dict[str, str], console: Console) -> Process:
    environment = {
        **os.environ,
        **settings_of(name, settings),
        f"{name.upper()}_PORT": str(port),
        # tweets calls the auth of the running stack over gRPC, which is not replaced here.
        "AUTH_GRPC_PORT": str(free_ports(1)[0]),
    }
    return Process(
        f"{name}-{port}",
        [sys.executable, "-m", module(name), "serve"],
        console=console,
        environment=environment,
        ready=HttpProbe(f"http://127.0.0.1:{port}/readyz"),
    )


@dataclass
class Load:
    """Clients that sign in, tweet and list without pause, each on its own connection."""

    url: str
    done: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()

    def run(self, account: Account) -> None:
        given = {"input": {"login": account.username, "password": account.password}}
        number = 0
        with httpx.Client(base_url=self.url, timeout=35, trust_env=False) as client:
            while not self._over.is_set():
                number += 1
                if number % 10 == 1:  # a password takes as long as many tweets
                    self._ask(client, "signIn", SIGN_IN, given, {})
                text = {"text": f"tweet {number}"}
                self._ask(client, "createTweet", CREATE_TWEET, text, account.headers)
                self._ask(client, "myTweets", MY_TWEETS, {"first": 5}, account.headers)

    def _ask(
        self, client: httpx.Client, name: str, query: str, variables: Any, headers: dict[str, str]
    ) -> None:
        body = {"query": query, "variables": variables}
        try:
            answer = client.post("/graphql", json=body, headers=headers)
        except httpx.HTTPError as error:
            self.lost.append(f"{name}: {error!r}")
            return
        if answer.status_code == 200 and "errors" not in answer.json():
            self.done[name] += 1
        else:
            self.lost.append(f"{name}: {answer.status_code} {answer.text[:300]}")

    def end(self) -> None:
        self._over.set()


def test_no_request_is_lost(replicas: Replicas, show_figure: Callable[[str], None]) -> None:
    with httpx.Client(base_url=replicas.edge_url, timeout=35, trust_env=False) as client:
        people = [sign_up(client) for _ in range(CLIENTS)]
    load = Load(replicas.edge_url)
    threads = [threading.Thread(target=load.run, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    try:
        before = {p.pid for replicas_ in replicas.processes.values() for p in replicas_}
        replicas.replace(0)
        replicas.replace(1)
        after = {p.pid for replicas_ in replicas.processes.values() for p in replicas_}
    finally:
        load.end()
        for thread in threads:
            thread.join()
    done = ", ".join(f"{count} {name}" for name, count in sorted(load.done.items()))
    show_figure(f"roll-over of auth and tweets: {done}, {len(load.lost)} lost")
    assert not before & after
    assert load.lost == []
    assert all(load.done[name] > CLIENTS for name in ("signIn", "createTweet", "myTweets"))
