"""Runs an ASGI application under uvicorn with the same configuration in every service."""

import asyncio
import gc
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp

from chassis.shutdown import Shutdown, StopOnCrash

KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than the router and the edge keep theirs."""

MAX_MESSAGE_SIZE = 64 * 1024
"""Bytes of a message on a WebSocket; a longer message closes the WebSocket with code 1009."""

_PING_INTERVAL = 20.0
"""Seconds between pings, and the time limit of a pong: a dead client is detected within twice as
long."""
_CRASHED = 4
_STARTUP_FAILED = 3
_TICK = 0.1

_log = structlog.get_logger("chassis.server")


class _Server(uvicorn.Server):
    """Waits between the two steps of `shutdown`; a second Ctrl-C cuts the wait short."""

    def __init__(self, config: uvicorn.Config, shutdown: Shutdown, notice: float) -> None:
        super().__init__(config)
        self._shutdown = shutdown
        self._notice = notice

    def _log_started_message(self, listeners: Sequence[socket.SocketType]) -> None:
        # Instead of uvicorn's, which says how to quit: the supervisor decides that.
        _log.info("serving", host=self.config.host, port=self.config.port)

    async def on_tick(self, counter: int) -> bool:
        self.should_exit = self.should_exit or self._shutdown.is_crash
        return await super().on_tick(counter)

    async def main_loop(self) -> None:
        settle()
        try:
            await super().main_loop()
        finally:
            self._shutdown.announce()
        end = monotonic() + self._notice
        while monotonic() < end and not self.force_exit:  # noqa: ASYNC110  (uvicorn has only a flag)
            await asyncio.sleep(_TICK)
        self._shutdown.begin()
        # Streams get time to send the reason before uvicorn closes their connections.
        await asyncio.sleep(_TICK)


def settle() -> None:
    """Exempt the objects of the started process from garbage collection, and collect less often.

    docs/performance.md has the figures.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def configuration(app: ASGIApp, *, host: str, port: int, sockets: bool) -> uvicorn.Config:
    """Return the configuration of uvicorn. `sockets`: WebSockets are served."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws=_sockets() if sockets else "none",
        ws_max_size=MAX_MESSAGE_SIZE,
        ws_ping_interval=_PING_INTERVAL,
        ws_ping_timeout=_PING_INTERVAL,
        # Compression would take most of a socket's memory; an event has a few hundred bytes.
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=10,
    )


def _sockets() -> type[asyncio.Protocol]:
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
    from websockets.protocol import OPEN

    class Sockets(WebSocketsSansIOProtocol):
        """A socket of uvicorn that takes less time and memory (docs/adr/0031).

        It writes texts without uvicorn's detours, and keeps no handshake and no deques. It closes
        the connection of a client that sends pings and does not read the pongs, which would
        accumulate in memory.
        """

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.queue = _Inbox()  # type: ignore[assignment]
            self.writable = _Flag()  # type: ignore[assignment]

        async def send(self, message: Any) -> None:
            if (
                message["type"] == "websocket.send"
                and message.get("text") is not None
                and self.handshake_complete
                and self.writable.is_set()
                and not (self.close_sent or self.disconnected or self.conn.extensions)
                and self.conn.state is OPEN
            ):
                self.transport.write(_text_frame(message["text"].encode()))
            else:
                await super().send(message)
                if self.handshake_complete:
                    self.request = self.response = None  # type: ignore[assignment]

        def handle_ping(self) -> None:
            if self.writable.is_set():
                super().handle_ping()
            else:
                self.transport.abort()

    return Sockets


class _Flag:
    """An asyncio.Event, as far as uvicorn uses it: without a deque, which takes 0.7 KB."""

    __slots__ = ("_is_set", "_waiting")

    def __init__(self) -> None:
        self._is_set = True
        self._waiting: list[asyncio.Future[None]] = []

    def is_set(self) -> bool:
        return self._is_set

    def clear(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        while not self._is_set:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future


class _Inbox:
    """An asyncio.Queue with one reader, as far as uvicorn uses it: without its four deques."""

    __slots__ = ("_messages", "_reader")

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._reader: asyncio.Future[None] | None = None

    def empty(self) -> bool:
        return not self._messages

    def put_nowait(self, message: Any) -> None:
        self._messages.append(message)
        if self._reader and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> Any:
        while not self._messages:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self._messages.pop(0)


def _text_frame(text: bytes) -> bytes:
    """Return an unfragmented, unmasked text frame (RFC 6455, 5.2)."""
    length = len(text)
    if length < 126:
        return b"\x81%c%b" % (length, text)
    if length < 65536:
        return b"\x81\x7e%b%b" % (length.to_bytes(2), text)
    return b"\x81\x7f%b%b" % (length.to_bytes(8), text)


def serve(
    app: ASGIApp, shutdown: Shutdown, *, host: str, port: int, notice: float, sockets: bool
) -> None:
    """Serve until SIGTERM or SIGINT. `notice`: seconds between the two steps of `shutdown`.

    Exits with status 3 if the application cannot start, and with status 4 after a crash of its
    background work.
    """
    guarded = StopOnCrash(app, shutdown)
    config = configuration(guarded, host=host, port=port, sockets=sockets)
    server = _Server(config, shutdown, notice)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(_STARTUP_FAILED)
    if shutdown.is_crash:
        sys.exit(_CRASHED)
