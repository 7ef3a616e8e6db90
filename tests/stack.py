"""Starts a whole stack for tests: on the Apollo Router, on its stand-in, or on both."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis.topology import declared
from client import api
from client.api import Account
from client.mailbox import Mailbox, verify_address
from stack.commands import Commands
from stack.console import Console
from stack.environment import on_free_ports, prepare
from stack.mailbox import address as mailbox_address
from stack.mailbox import is_wanted
from stack.ports import free_ports
from stack.process import HttpProbe, Process
from stack.router import Kind, find_router
from stack.services import settings_of
from stack.supervisor import Stack
from subgraphs.auth import key_file
from subgraphs.auth.keys import KeyRing


def router_kinds() -> list[Kind]:
    """Return the routers in CHIRP_E2E_ROUTERS (separated by commas), else the installed one."""
    wanted = [name.strip() for name in os.environ.get("CHIRP_E2E_ROUTERS", "").split(",")]
    if any(wanted):
        return [Kind(name) for name in wanted if name]
    return [Kind.ROUTER if find_router(os.environ) else Kind.STAND_IN]


ON_ONE_ROUTER = pytest.mark.parametrize(
    "stack", router_kinds()[:1], indirect=True, ids=str, scope="session"
)
"""For tests of what no router takes part in: they run on the first of the routers only."""


def fresh_settings(path: Path, **chosen: str) -> dict[str, str]:
    """Write a settings file with fresh secrets and free ports, and return the settings."""
    given = on_free_ports() | chosen
    path.write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    kept = {name: os.environ[name] for name in ("ROUTER_BIN",) if name in os.environ}
    return prepare(path, kept)


@dataclass(frozen=True)
class RunningStack:
    """The addresses and files of a running stack, and what a test can do to its processes."""

    kind: Kind
    url: str
    router_url: str
    service_urls: Mapping[str, str]
    mailbox_url: str
    settings: dict[str, str]
    data: Path
    log: Path
    """Takes every line of every process."""
    kill: Callable[[str], None]
    """Kills one process: edge, router, mailbox, postgres, valkey or a service."""
    restart: Callable[[str], None]
    """Starts a process again; returns when it is ready."""

    @property
    def signing_keys(self) -> KeyRing:
        return key_file.read(Path(self.settings["AUTH_SIGNING_KEYS_FILE"]))

    @property
    def auth_url(self) -> str:
        return self.service_urls["auth"]

    @property
    def tweets_url(self) -> str:
        return self.service_urls["tweets"]

    @property
    def notifier_url(self) -> str:
        return self.service_urls["notifier"]


@pytest.fixture(scope="session", params=router_kinds(), ids=str)
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp(f"stack-{request.param}")
    # A digest is sent after a short window. All tests come from one network.
    chosen = {
        "NOTIFIER_WINDOW_SECONDS": "2",
        "AUTH_MAILS_PER_NETWORK": "100000",
        "AUTH_CODES_PER_NETWORK": "100000",
        "AUTH_PASSWORDS_PER_ACCOUNT": "1000",
        "AUTH_SIGN_INS_PER_NETWORK": "100000",
        "AUTH_SIGN_UPS_PER_NETWORK": "100000",
    }
    with started(folder, request.param, **chosen) as running:
        yield running


@contextmanager
def started(folder: Path, router: Kind, **chosen: str) -> Iterator[RunningStack]:
    """Run a stack with its data in `folder`; `chosen` are settings."""
    settings = fresh_settings(folder / "settings.env", **chosen)
    if "tweets" in declared().services and not settings.get("TWEETS_ENDPOINTS"):
        # Where a second tweets process may serve subscriptions; none does unless a test starts it.
        endpoints = [f"127.0.0.1:{port}" for port in (settings["TWEETS_PORT"], *free_ports(1))]
        settings["TWEETS_ENDPOINTS"] = ",".join(endpoints)
    with (folder / "log").open("w") as log:
        commands = Commands(Console(log), threading.Event())
        running = Stack(settings, folder / "data", commands, router)
        try:
            running.start()
            running.start_pages(wait=True)
            yield RunningStack(
                kind=running.kind,
                url=running.url("edge"),
                router_url=running.url("router"),
                service_urls={name: running.url(name) for name in declared().services},
                mailbox_url=mailbox_address(settings) if is_wanted(settings) else "",
                settings=settings,
                data=folder / "data",
                log=folder / "log",
                kill=running.kill,
                restart=running.restart,
            )
        finally:
            running.stop()


@contextmanager
def another_process(stack: RunningStack, name: str, folder: Path) -> Iterator[str]:
    """Run another process of a service with the same database and Valkey; yields its address."""
    service = declared()[name]
    ports = map(str, free_ports(2))
    settings = {**os.environ, **settings_of(name, stack.settings)}
    settings |= {f"{service.prefix}PORT": next(ports), f"{service.prefix}GRPC_PORT": next(ports)}
    url = f"http://127.0.0.1:{settings[f'{service.prefix}PORT']}"
    with (folder / f"{name}-2.log").open("w") as log:
        process = Process(
            f"{name}-2",
            [sys.executable, "-m", service.module, "serve"],
            console=Console(log),
            environment=settings,
            ready=HttpProbe(f"{url}/readyz"),
        )
        process.start()
        try:
            process.wait_until_ready(threading.Event())
            yield url
        finally:
            process.stop()


@dataclass(frozen=True)
class Exported:
    """The outcome of the command that exports a person's data."""

    status: int
    document: Any
    """None if the command printed none."""
    errors: str


def export(stack: RunningStack, login: str, *options: str) -> Exported:
    """Export the data of a person from every service of the stack, as an operator does."""
    result = subprocess.run(
        [sys.executable, "-m", declared()["auth"].module, "accounts", "export", login, *options],
        env={"PATH": os.environ["PATH"], **settings_of("auth", stack.settings)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    document = json.loads(result.stdout) if result.stdout else None
    return Exported(result.returncode, document, result.stderr)


@pytest.fixture
def mailbox(stack: RunningStack) -> Iterator[Mailbox]:
    """The mailbox that takes all mails of the stack."""
    with httpx.Client(base_url=stack.mailbox_url, trust_env=False) as http:
        yield Mailbox(http)


@pytest.fixture
def verify(edge: httpx.Client, mailbox: Mailbox) -> Callable[[Account], None]:
    """Return a function that verifies the address of a new account."""

    return lambda account: verify_address(edge, account, mailbox)


@pytest.fixture
def sign_up_verified(
    sign_up: Callable[[], Account], verify: Callable[[Account], None]
) -> Callable[[], Account]:
    """Return a function that signs up a new user and verifies the address."""

    def make() -> Account:
        account = sign_up()
        verify(account)
        return account

    return make


@pytest.fixture
def edge(stack: RunningStack) -> Iterator[httpx.Client]:
    """A client of the public port."""
    with api.connect(stack.url, seconds=35) as client:
        yield client


@pytest.fixture
def sign_up(edge: httpx.Client) -> Callable[[], Account]:
    """Return a function that signs up a new user."""
    return lambda: api.sign_up(edge)


def eventually(holds: Callable[[], bool], what: str, within: float = 30) -> None:
    """Wait until a condition holds. Fails after `within` seconds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.05)
