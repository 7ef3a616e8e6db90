"""Which ports are free, and who holds one that is not."""

import itertools
import random
import socket
from collections.abc import Mapping
from pathlib import Path

from stack.process import StackError


def demand_free(ports: Mapping[str, tuple[str, int]]) -> None:
    """`ports` maps a setting to its host and port. Raises StackError and names every busy one."""
    busy = [
        f"Port {port} is in use{_by_whom(port)}. Stop that, or set another {setting} in .env."
        for setting, (host, port) in ports.items()
        if not _is_free(host, port)
    ]
    if busy:
        raise StackError("\n".join(busy))


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody holds now, all different.

    Below the range that the kernel takes for outgoing connections, so that they stay free.
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


def _by_whom(port: int) -> str:
    """` by NAME (process N)` where Linux tells, else nothing."""
    inodes = _listening_inodes(port)
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        try:
            held = {str(link.readlink()) for link in (process / "fd").iterdir()}
            if held & inodes:
                return f" by {(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:
            continue  # it ended meanwhile, or belongs to somebody else
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
