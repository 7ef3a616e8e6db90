"""Put load on one URL, by wrk if it is in PATH, else by autocannon, an npm package."""

import functools
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from bench.node import APOLLO, packages
from client.api import body

_WRK = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True, slots=True)
class Target:
    """A request to repeat."""

    url: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    pid: int | None = None
    """The process that answers; its processor time is measured."""

    @property
    def all_headers(self) -> dict[str, str]:
        json_body = {"content-type": "application/json"} if self.body is not None else {}
        return {**json_body, **self.headers}


@dataclass(frozen=True, slots=True)
class Measured:
    """Requests per second, latency in milliseconds, and processor time in µs per request.

    The processor time is that of the answering process; disturbance changes it least.
    """

    rate: float
    p50: float
    p99: float
    cpu: float = 0


def graphql_body(query: str, **variables: object) -> bytes:
    return json.dumps(body(query, variables)).encode()


class LoadError(Exception):
    """Some answers were not 200, so the result has no meaning."""


@functools.cache
def tool() -> str:
    """Return the load generator: wrk uses less of the machine, autocannon needs no installation."""
    return "wrk" if shutil.which("wrk") else "autocannon"


def load(target: Target, *, seconds: float, connections: int) -> Measured:
    """Send the request for `seconds`, and return the result. Raises LoadError."""
    run = _wrk if tool() == "wrk" else _autocannon
    began, whole = processor_time(target.pid), max(1, round(seconds))
    found = run(target, whole, connections)
    used = processor_time(target.pid) - began
    return replace(found, cpu=used / max(found.rate * whole, 1) * 1e6)


def processor_time(pid: int | None) -> float:
    """Return the processor time of a process so far, in seconds; 0 for None."""
    if pid is None:
        return 0
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _wrk(target: Target, seconds: int, connections: int) -> Measured:
    headers = [part for pair in target.all_headers.items() for part in ("-H", ": ".join(pair))]
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "20s",
        "-s",
        str(_WRK),
        *headers,
    ]
    body = (target.body or b"").decode()
    found = _json([*command, target.url, "--", "POST" if body else "GET", body])
    if found["bad"] or found["late"]:
        raise LoadError(f"{target.url} gave {found['bad']} bad and {found['late']} late answers")
    return Measured(found["rate"], found["p50"], found["p99"])


def _autocannon(target: Target, seconds: int, connections: int) -> Measured:
    headers = [part for pair in target.all_headers.items() for part in ("-H", "=".join(pair))]
    command = [str(packages()), str(APOLLO / "node_modules" / "autocannon" / "autocannon.js")]
    command += ["--json", "--no-progress", "-t20", f"-c{connections}", f"-d{seconds}", *headers]
    if target.body is not None:
        command += ["-m", "POST", "-b", target.body.decode()]
    found = _json([*command, target.url])
    if bad := found["errors"] + found["timeouts"] + found["non2xx"]:
        raise LoadError(f"{bad} answers of {target.url} were bad")
    latency = found["latency"]
    return Measured(found["requests"]["average"], latency["p50"], latency["p99"])


def _json(command: list[str]) -> Any:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadError(f"{command[0]} failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout[done.stdout.index("{") :])
