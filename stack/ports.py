"""Finds free ports, and the process that holds a busy one."""

import itertools
import random
import socket
from collections.abc import Mapping
from pathlib import Path

from stack.process import StackError


def demand_free(ports: Mapping[str, tuple[str, int]]) -> None:
    """Raises StackError, which names every busy port. `ports` maps settings to host and port."""
    busy = [
        f"Port {port} is in use{_holder(port)}. Stop that, or set another {setting} in .env."
        for setting, (host, port) in ports.items()
        if not _is_free(host, port)
    ]
    if busy:
        raise StackError("\n".join(busy))


def free_ports(count: int) -> list[int]:
    """Return different ports of this machine that no process holds now.

    They are below the range that the kernel uses for outgoing connections, so they stay free.
    """
    candidates = random.sample(range(20000, 32000), 12000)
    free = (port for port in candidates if _is_free("127.0.0.1", port))
    return list(itertools.islice(free, count))


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    """Return ` by NAME (process N)`, or an empty string where the system does not say."""
    inodes = _listening_inodes(port)
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        try:
            held = {str(link.readlink()) for link in (process / "fd").iterdir()}
            if held & inodes:
                return f" by {(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:
            continue  # it has ended, or belongs to another user
    return ""


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for row in table.read_text().splitlines()[1:] if table.exists() else ():
            (
                _,
                local,
                _,
                state,
                *_,
            ) = row.split()
            if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{row.split()[9]}]")
    return inodes
