"""Load on one URL: by wrk where it is in PATH, else by autocannon, which npm brings."""

import functools
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.node import APOLLO, packages

_WRK = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True, slots=True)
class Target:
    """A request that is made again and again."""

    url: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_headers(self) -> dict[str, str]:
        json_body = {"content-type": "application/json"} if self.body is not None else {}
        return {**json_body, **self.headers}


@dataclass(frozen=True, slots=True)
class Measured:
    """Requests per second, and the milliseconds that they took."""

    rate: float
    p50: float
    p99: float


class LoadError(Exception):
    """Some answers were not 200, so the figure would say nothing."""


@functools.cache
def tool() -> str:
    """wrk costs the machine that it measures on the least; autocannon needs nobody's permission."""
    return "wrk" if shutil.which("wrk") else "autocannon"


def load(target: Target, *, seconds: float, connections: int) -> Measured:
    """Raises LoadError."""
    run = _wrk if tool() == "wrk" else _autocannon
    return run(target, max(1, round(seconds)), connections)


def _wrk(target: Target, seconds: int, connections: int) -> Measured:
    headers = [part for pair in target.all_headers.items() for part in ("-H", ": ".join(pair))]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(_WRK), *headers]
    body = (target.body or b"").decode()
    found = _json([*command, target.url, "--", "POST" if body else "GET", body])
    if found["bad"]:
        raise LoadError(f"{found['bad']} answers of {target.url} were not good")
    return Measured(found["rate"], found["p50"], found["p99"])


def _autocannon(target: Target, seconds: int, connections: int) -> Measured:
    headers = [part for pair in target.all_headers.items() for part in ("-H", "=".join(pair))]
    command = [str(packages()), str(APOLLO / "node_modules" / "autocannon" / "autocannon.js")]
    command += ["--json", "--no-progress", f"-c{connections}", f"-d{seconds}", *headers]
    if target.body is not None:
        command += ["-m", "POST", "-b", target.body.decode()]
    found = _json([*command, target.url])
    if bad := found["errors"] + found["timeouts"] + found["non2xx"]:
        raise LoadError(f"{bad} answers of {target.url} were not good")
    latency = found["latency"]
    return Measured(found["requests"]["average"], latency["p50"], latency["p99"])


def _json(command: list[str]) -> Any:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadError(f"{command[0]} failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout[done.stdout.index("{") :])
