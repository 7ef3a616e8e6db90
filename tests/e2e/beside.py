"""A router or an edge of a test's own, beside that of the running stack."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from stack.commands import Commands
from stack.console import Console
from stack.edge import edge
from stack.ports import free_ports
from stack.process import Process
from stack.supervisor import Stack
from tests.stack import RunningStack


@contextmanager
def router_beside(stack: RunningStack, folder: Path, **settings: str) -> Iterator[httpx.Client]:
    """Run a router of the same kind, with other settings; yield a client of it."""
    [port] = free_ports(1)
    changed = stack.settings | {"ROUTER_PORT": str(port)} | settings
    commands = Commands(Console(io.StringIO()), threading.Event())
    process = Stack(changed, folder, commands, stack.kind)._router_process()
    with _serving(process, f"http://127.0.0.1:{port}") as client:
        yield client


@contextmanager
def edge_beside(stack: RunningStack, folder: Path, **settings: str) -> Iterator[httpx.Client]:
    """Run an edge before the same services, with other settings; yield a client of it."""
    [port] = free_ports(1)
    changed = stack.settings | {"EDGE_PORT": str(port)} | settings
    url = f"http://127.0.0.1:{port}"
    with _serving(edge(folder, changed, url, Console(io.StringIO())), url) as client:
        yield client


@contextmanager
def _serving(process: Process, url: str) -> Iterator[httpx.Client]:
    process.start()
    try:
        process.wait_until_ready(threading.Event())
        with httpx.Client(base_url=url, trust_env=False) as client:
            yield client
    finally:
        process.kill()
