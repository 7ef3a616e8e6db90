"""`python -m deploy.prober`: probes for ever; `once`: one round, a table, an exit status."""

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
from deploy.prober.metrics import ProberMetrics
from deploy.prober.rounds import TWEETS, Round, Step
from stack.environment import read

USAGE = """Its environment: PROBER_URL (the edge), PROBER_SECRET (from which its accounts' names
and passwords follow), PROBER_NAME (one for each that runs), PROBER_PORT (metrics),
PROBER_INTERVAL_SECONDS."""


def main(variables: Mapping[str, str], arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.prober", description=__doc__, epilog=USAGE
    )
    parser.add_argument("how", nargs="?", choices=("once",))
    once = parser.parse_args(arguments).how == "once"
    url = variables.get("PROBER_URL") or f"http://127.0.0.1:{variables.get('EDGE_PORT') or 4000}"
    name, secret = variables.get("PROBER_NAME") or "prober", variables.get("PROBER_SECRET", "")
    if len(secret) < 32:
        parser.error("PROBER_SECRET is missing or shorter than 32 characters")
    if not re.fullmatch("[a-z][a-z0-9_]{0,20}", name):
        parser.error("PROBER_NAME is not of the form [a-z][a-z0-9_]*")
    with httpx.Client(base_url=url, timeout=15, trust_env=False) as client:
        if once:
            return _once(client, name, secret)
        port = int(variables.get("PROBER_PORT") or 4190)
        interval = float(variables.get("PROBER_INTERVAL_SECONDS") or 30)
        _for_ever(client, name, secret, port=port, interval=interval)
    return 0


def _once(client: httpx.Client, name: str, secret: str) -> int:
    def show(step: Step) -> None:
        print(f"{step.name:16} {step.seconds * 1000:8.1f} ms   {step.problem or 'ok'}", flush=True)

    services = declared().services
    if TWEETS not in services:
        print(f"{FILE} declares no service {TWEETS}: the steps that need it are left out")
    went_well = Round(client, f"{name}_once", secret, show, services, _stopped().is_set).run()
    print("all as it should be" if went_well else "not as it should be")
    return 0 if went_well else 1


def _for_ever(client: httpx.Client, name: str, secret: str, *, port: int, interval: float) -> None:
    services = declared().services
    metrics = ProberMetrics(services)

    def tell(step: Step) -> None:
        metrics.step(step)
        if step.problem:
            print(f"{step.name}: {step.problem}", file=sys.stderr, flush=True)

    start_http_server(port, registry=metrics.registry)
    stopped = _stopped()
    round_ = Round(client, name, secret, tell, services, stopped.is_set)
    while not stopped.is_set():
        if round_.run():
            metrics.success()
        stopped.wait(interval)


def _stopped() -> threading.Event:
    """Set by SIGTERM and Ctrl-C."""
    stopped = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stopped.set())
    return stopped


if __name__ == "__main__":
    dotenv = Path(".env")
    sys.exit(main({**(read(dotenv) if dotenv.exists() else {}), **os.environ}))
