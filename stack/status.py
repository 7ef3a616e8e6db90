"""The file that lists the running processes, and `make status`, which shows it."""

import fcntl
import json
import os
import re
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stack.process import HttpProbe, Process

_FILE = "processes.json"
_HOST = "127.0.0.1"
_TITLES = {
    "python": "Python",
    "postgres": "PostgreSQL",
    "valkey": "Valkey",
    "router": "Apollo Router",
    "node": "Node.js",
    "envoy": "Envoy",
}
"""What programs are called, by the beginning of their file names."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One process of a stack."""

    name: str
    pid: int
    ports: Sequence[int]
    health_url: str
    """Answers 200 while the process is healthy; empty if an open port is all that can be asked."""
    program: str

    def is_running(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True

    def is_healthy(self) -> bool:
        if self.health_url:
            return HttpProbe(self.health_url)()
        return all(map(_is_open, self.ports))


def write(
    data: Path, processes: Mapping[str, Process], ports_of: Callable[[str], Sequence[int]]
) -> None:
    """Write the processes that have been started."""
    entries = [
        Entry(name, process.pid, ports_of(name), process.health_url, process.program)
        for name, process in processes.items()
    ]
    unfinished = data / f"{_FILE}.unfinished"
    unfinished.write_text(json.dumps([asdict(entry) for entry in entries], indent=1))
    unfinished.rename(data / _FILE)


def read(data: Path) -> list[Entry]:
    """Return the processes of the stack that uses the data; none when no stack does."""
    lock = try_lock(data) if data.exists() else None
    if lock is not None:
        os.close(lock)
    if lock is not None or not (data / _FILE).exists():
        return []
    return [Entry(**fields) for fields in json.loads((data / _FILE).read_text())]


def try_lock(data: Path) -> int | None:
    """Return a file descriptor that holds the lock of the data; `None` if a stack holds it."""
    lock = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def table(entries: Sequence[Entry]) -> tuple[str, bool]:
    """Return a table of the processes, and whether all are running and healthy."""
    rows = [("process", "state", "health", "pid", "port", "version")]
    well = True
    for entry in entries:
        running = entry.is_running()
        healthy = running and entry.is_healthy()
        well &= healthy
        state = "running" if running else "ended"
        health = "healthy" if healthy else ("unhealthy" if running else "-")
        ports = ", ".join(map(str, entry.ports))
        rows.append((entry.name, state, health, str(entry.pid), ports, version_of(entry.program)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines), well


def version_of(program: str) -> str:
    """Return the name and version of a program: that of Python for a service."""
    try:
        printed = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=False, timeout=10
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        printed = ""
    name = Path(program).name
    number = re.search(r"\d+(\.\d+)+", printed.replace(program, ""))
    known = next((title for start, title in _TITLES.items() if name.startswith(start)), name)
    return f"{known} {number[0]}" if number else known


def _is_open(port: int) -> bool:
    try:
        with socket.create_connection((_HOST, port), timeout=2):
            return True
    except OSError:
        return False
