"""Probes a running system: `python -m deploy.prober` repeats rounds, `once` shows a single one."""

import argparse
import os
import re
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import httpx
from prometheus_client import start_http_server

from chassis.topology import FILE, declared
from client.api import connect
from deploy.dotenv import read
from deploy.prober.metrics import ProberMetrics
from deploy.prober.round import TWEETS, Round, Step

USAGE = """Settings, from the environment or .env: PROBER_URL (the edge), PROBER_SECRET (its
accounts' names and passwords follow from it), PROBER_NAME (another one for each prober that runs),
PROBER_PORT (metrics), PROBER_INTERVAL_SECONDS (between rounds)."""


def main(variables: Mapping[str, str], arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.prober", description=__doc__, epilog=USAGE
    )
    parser.add_argument("how", nargs="?", choices=("once",))
    once = parser.parse_args(arguments).how == "once"
    url = variables.get("PROBER_URL") or f"http://127.0.0.1:{variables.get('EDGE_PORT') or 4000}"
    name, secret = variables.get("PROBER_NAME") or "prober", variables.get("PROBER_SECRET", "")
    if len(secret) < 32:
        parser.error("PROBER_SECRET must be at least 32 characters")
    if not re.fullmatch("[a-z][a-z0-9_]{0,20}", name):
        parser.error("PROBER_NAME must match [a-z][a-z0-9_]{0,20}")
    with connect(url, seconds=15) as http:
        if once:
            return _probe_once(http, name, secret)
        port = int(variables.get("PROBER_PORT") or 4190)
        interval = float(variables.get("PROBER_INTERVAL_SECONDS") or 60)
        _probe_repeatedly(http, name, secret, port=port, interval=interval)
    return 0


def _probe_once(http: httpx.Client, name: str, secret: str) -> int:
    def show(step: Step) -> None:
        print(f"{step.name:16} {step.seconds * 1000:8.1f} ms   {step.problem or 'ok'}", flush=True)

    services = declared().services
    if TWEETS not in services:
        print(f"{FILE} declares no service {TWEETS}: the steps that need it are left out")
    stopped = _stop_event()
    succeeded = Round(http, f"{name}_once", secret, show, services, stopped.is_set).run()
    print("every step succeeded" if succeeded else "a step failed")
    return 0 if succeeded else 1


def _probe_repeatedly(
    http: httpx.Client, name: str, secret: str, *, port: int, interval: float
) -> None:
    services = declared().services
    metrics = ProberMetrics(services)

    def record(step: Step) -> None:
        metrics.record_step(step)
        if step.problem:
            print(f"{step.name}: {step.problem}", file=sys.stderr, flush=True)

    stopped = _stop_event()
    start_http_server(port, registry=metrics.registry)
    round_ = Round(http, name, secret, record, services, stopped.is_set)
    while not stopped.is_set():
        if round_.run():
            metrics.record_success()
        stopped.wait(interval)


def _stop_event() -> threading.Event:
    """Return an event that SIGTERM and Ctrl-C set."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


if __name__ == "__main__":
    dotenv = Path(".env")
    sys.exit(main({**(read(dotenv) if dotenv.exists() else {}), **os.environ}))
