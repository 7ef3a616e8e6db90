"""Compares executors in process and over HTTP: `python bench/benchmark.py`.

Each runs in a process and an environment of its own, which uv makes. All execute the same documents
on the same types and must give the same answers. Figures are processor time per operation; over
HTTP that of the server, one uvicorn worker, encoding included. Rounds are interleaved, and the best
of each is taken.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from executors import BASELINE, EXECUTORS, HERE, workloads

SLOW = 5.0
"""Seconds: an operation that takes longer is measured once."""


def started(name: str, port: int, python: str) -> "subprocess.Popen[bytes]":
    """Start the process of an executor."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        sys.exit("benchmark.py needs uv: https://docs.astral.sh/uv/")
    command = [uv, "run", "--quiet", "--isolated", "--no-project", "--python", python]
    packages = EXECUTORS[name].packages
    if any(each.startswith("strawberry") for each in packages):
        command += ["--with-editable", str(HERE.parent)]
    for package in (*packages, "uvicorn"):
        command += ["--with", package]
    return subprocess.Popen([*command, "python", str(HERE / "worker.py"), name, str(port)])


class Server:
    """The connection to the process of an executor."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def connect(self, process: "subprocess.Popen[bytes]") -> None:
        while process.poll() is None:
            try:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                return
        raise ChildProcessError(f"the process of port {self._port} has ended")

    async def ask(self, body: object = None) -> Any:
        return json.loads(await self._send(encoded(body)))

    async def measured_in_process(self, request: dict[str, Any], seconds: float) -> float:
        """Return seconds of processor time for an operation."""
        best: float = await self.ask({**request, "seconds": seconds})
        return best

    async def measured_over_http(self, request: dict[str, Any], times: int) -> float:
        """Return seconds of processor time for one of several operations."""
        message = encoded(request)
        before = await self.ask()
        for _ in range(times):
            await self._send(message)
        took: float = await self.ask() - before
        return took / times

    async def _send(self, message: bytes) -> bytes:
        self._writer.write(message)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(h for h in head.lower().split(b"\r\n") if h.startswith(b"content-length"))
        return await self._reader.readexactly(int(length.split(b":")[1]))


def encoded(body: object) -> bytes:
    """Return the request that posts this body, or the one without a body."""
    text = b"" if body is None else json.dumps(body).encode()
    head = f"POST / HTTP/1.1\r\nhost: bench\r\ncontent-length: {len(text)}\r\n\r\n"
    return head.encode() + text


async def compare(servers: Mapping[str, Server], rounds: int, seconds: float) -> None:
    """Print a table in process and one over HTTP."""
    tables: dict[str, list[str]] = {"In process": [], "Over HTTP": []}
    for title, (query, variables) in workloads("plain").DOCUMENTS.items():
        request = {"query": query, "variables": variables}
        in_process = dict.fromkeys(servers, float("inf"))
        over_http = dict.fromkeys(servers, float("inf"))
        answers = {}
        for name, server in servers.items():
            before = await server.ask()
            answers[name] = await server.ask(request)
            first = await server.ask() - before
            for _ in range(12 if first < 0.1 else 2 if first < SLOW else 0):
                await server.ask(request)  # until all of it is compiled
        for _ in range(rounds):
            for name, server in servers.items():
                if over_http[name] < SLOW or over_http[name] == float("inf"):
                    took = await server.measured_in_process(request, seconds)
                    in_process[name] = min(in_process[name], took)
                    times = max(1, int(seconds / took))
                    took = await server.measured_over_http(request, times)
                    over_http[name] = min(over_http[name], took)
        wrong = {name for name in servers if answers[name] != answers[BASELINE]}
        for caption, best in zip(tables, (in_process, over_http), strict=True):
            tables[caption].append(row(title, best, wrong))
            print(f"{caption}: {tables[caption][-1]}", file=sys.stderr)
    for caption, rows in tables.items():
        print(f"\n| {caption} | {' | '.join(servers)} |\n| --- |{' ---: |' * len(servers)}")
        print("\n".join(rows))


def row(title: str, best: Mapping[str, float], wrong: set[str]) -> str:
    """Return times, and how many times as fast as the baseline each is."""
    cells = []
    for name, value in best.items():
        figure = f"{value * 1e6:,.0f} µs" if value < 0.01 else f"{value * 1e3:,.1f} ms"
        ratio = "" if name == BASELINE else f", {best[BASELINE] / value:.1f}x"
        cells.append(figure + ratio + (" (another answer)" if name in wrong else ""))
    return f"| {title} | {' | '.join(cells)} |"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--seconds", type=float, default=0.4, help="of processor time, for each in one round"
    )
    parser.add_argument("--executors", nargs="+", choices=EXECUTORS, default=list(EXECUTORS))
    parser.add_argument("--python", default=sys.executable)
    given = parser.parse_args()
    names = list(dict.fromkeys([BASELINE, *given.executors]))
    processes, servers = [], {}
    try:
        for name in names:
            port = free_port()
            process = started(name, port, given.python)
            processes.append(process)
            servers[name] = Server(port)
            await servers[name].connect(process)
        await compare(servers, given.rounds, given.seconds)
    finally:
        for process in processes:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    asyncio.run(main())
