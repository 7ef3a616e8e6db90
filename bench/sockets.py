"""Many WebSocket clients that use little processor time, so that figures show the server.

Frames are read and written by hand, without a library or a task per socket; only unmasked text of
the server is read. Masks are zero: the protocol allows it, and the text of a frame stays as it is.
"""

import asyncio
import base64
import json
import os
import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

SPARE = 500
"""Open files that the process needs beside its sockets."""

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_AT_ONCE = 100
_ATTEMPTS = 20


def allow(sockets: int) -> None:
    """Raise the limit on open files to its maximum. Raises SystemExit if that is too low."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < sockets + SPARE:
        raise SystemExit(f"{sockets} sockets need `ulimit -n {sockets + SPARE}`; it is {hard}.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The address of a socket, its first message, and the one after the server's acknowledgement.

    Without `first` the socket counts as open once it is connected.
    """

    url: str
    first: bytes = b""
    then: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    subprotocol: str = ""


def subscription(
    url: str,
    credentials: Mapping[str, str],
    query: str,
    headers: tuple[tuple[str, str], ...] = (),
) -> Dialogue:
    """Return the dialogue that subscribes with `graphql-transport-ws`."""
    subscribe = {"id": "1", "type": "subscribe", "payload": {"query": query}}
    return Dialogue(
        url,
        json.dumps({"type": "connection_init", "payload": credentials}).encode(),
        json.dumps(subscribe).encode(),
        headers=headers,
        subprotocol="graphql-transport-ws",
    )


class Client(asyncio.Protocol):
    """One socket of a crowd."""

    __slots__ = (
        "_acknowledged",
        "_buffer",
        "_crowd",
        "_dialogue",
        "_upgraded",
        "is_open",
        "transport",
    )

    def __init__(self, crowd: "Crowd", dialogue: Dialogue) -> None:
        self._crowd = crowd
        self._dialogue = dialogue
        self._buffer = b""
        self._upgraded = False
        self._acknowledged = False
        self.transport: asyncio.Transport
        self.is_open: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is not derived from it
        self.transport.write(_handshake(self._dialogue))

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        data = self._buffer + data if self._buffer else data
        if not self._upgraded:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._buffer = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.transport.abort()
                return
            self._upgraded = True
            if self._dialogue.first:
                self.transport.write(_frame(_TEXT, self._dialogue.first))
            else:
                self._open()
        at = 0
        while len(data) - at >= 2:
            kind, length, start = data[at] & 15, data[at + 1], at + 2
            if length == 126:
                length, start = int.from_bytes(data[at + 2 : at + 4]), at + 4
            if len(data) < start + length:
                break
            self._handle(kind, data[start : start + length], now)
            at = start + length
        self._buffer = data[at:]

    def _handle(self, kind: int, text: bytes, now: float) -> None:
        if kind == _TEXT and (self._acknowledged or not self._dialogue.first):
            self._crowd.received(text, now)
        elif kind == _TEXT:  # connection_ack
            self._acknowledged = True
            self.transport.write(_frame(_TEXT, self._dialogue.then))
            self._open()
        elif kind == _PING:
            self.transport.write(_frame(_PONG, text))
        elif kind == _CLOSE:
            self._crowd.closed(self, int.from_bytes(text[:2]), now)
            self.transport.close()

    def _open(self) -> None:
        self._crowd.opened(self)
        self.is_open.set_result(True)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.is_open.done():
            self.is_open.set_result(False)
        self._crowd.lost(self)


class Crowd:
    """Sockets that are open together, and the arrival times of their messages."""

    def __init__(self) -> None:
        self.clients: set[Client] = set()
        self.closings: list[tuple[int, float]] = []
        """Close codes with their arrival times."""
        self.last_text = b""
        self.refused = 0
        self._marker = b""
        self._arrivals: list[float] = []
        self._awaited = 0
        self._done: asyncio.Future[Sequence[float]] | None = None
        self._leaving = False
        self._changed = asyncio.Event()

    async def connect(self, dialogues: Sequence[Dialogue]) -> None:
        """Open a socket for each dialogue; one that is refused retries, as a client does."""
        loop = asyncio.get_running_loop()
        turn = asyncio.Semaphore(_AT_ONCE)

        async def one(dialogue: Dialogue) -> None:
            parts = urlsplit(dialogue.url)
            async with turn:
                for _ in range(_ATTEMPTS):
                    _, client = await loop.create_connection(
                        lambda: Client(self, dialogue), parts.hostname or "", parts.port or 80
                    )
                    if await client.is_open:
                        return
                    self.refused += 1
                    await asyncio.sleep(0.5)
            raise RuntimeError(f"{dialogue.url} refuses sockets.")

        await asyncio.gather(*map(one, dialogues))

    async def leave(self, *, abruptly: bool = False) -> None:
        self._leaving = True
        for client in list(self.clients):
            if abruptly:
                client.transport.abort()
            else:
                client.transport.write(_frame(_CLOSE, (1000).to_bytes(2)))
                client.transport.close()
        await self._until(lambda: not self.clients)
        self._leaving = False

    async def ended(self, count: int) -> None:
        """Return when the server has closed `count` sockets."""
        await self._until(lambda: len(self.closings) == count)

    async def _until(self, holds: Callable[[], bool]) -> None:
        """Return when the condition holds; it is checked when a socket opens or closes."""
        async with asyncio.timeout(60):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def expect(self, marker: bytes, count: int) -> asyncio.Future[Sequence[float]]:
        """Return a future of the arrival times of `count` texts that contain the marker."""
        self._marker, self._awaited, self._arrivals = marker, count, []
        self._done = asyncio.get_running_loop().create_future()
        return self._done

    def opened(self, client: Client) -> None:
        self.clients.add(client)
        self._changed.set()

    def received(self, text: bytes, now: float) -> None:
        if self._marker not in text:
            return
        self._arrivals.append(now)
        self.last_text = text
        if len(self._arrivals) == self._awaited and self._done and not self._done.done():
            self._done.set_result(self._arrivals)

    def closed(self, client: Client, code: int, now: float) -> None:
        self.clients.discard(client)
        self.closings.append((code, now))
        self._changed.set()

    def lost(self, client: Client) -> None:
        if client in self.clients:
            self.clients.discard(client)
            if not self._leaving:
                self.closings.append((1006, perf_counter()))
            self._changed.set()


def _handshake(dialogue: Dialogue) -> bytes:
    parts = urlsplit(dialogue.url)
    lines = [
        f"GET {parts.path or '/'} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        *([f"Sec-WebSocket-Protocol: {dialogue.subprotocol}"] if dialogue.subprotocol else []),
        *(f"{name}: {value}" for name, value in dialogue.headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def _frame(kind: int, text: bytes) -> bytes:
    head = bytes([0x80 | kind])
    if len(text) < 126:
        head += bytes([0x80 | len(text)])
    else:
        head += bytes([0x80 | 126]) + len(text).to_bytes(2)
    return head + bytes(4) + text
