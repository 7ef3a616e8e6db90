"""Runs an ASGI application under uvicorn, the same way in every service."""

import asyncio
import gc
import sys
from contextlib import suppress
from time import monotonic

import uvicorn
from starlette.types import ASGIApp

from chassis.shutdown import Shutdown

KEEP_ALIVE = 75
"""Seconds an idle connection stays open: longer than the router and the edge keep theirs."""

MAX_MESSAGE_SIZE = 64 * 1024
"""Bytes of one message on a WebSocket; a longer one closes it with 1009."""

_PING_INTERVAL = 20.0
"""Seconds, and as many until the pong: a client that has vanished is noticed within both."""
_STARTUP_FAILED = 3
_TICK = 0.1


class _Server(uvicorn.Server):
    """Takes the first step of its shutdown a while before the second. Ctrl-C twice hastens it."""

    def __init__(self, config: uvicorn.Config, shutdown: Shutdown, notice: float) -> None:
        super().__init__(config)
        self._shutdown = shutdown
        self._notice = notice

    async def main_loop(self) -> None:
        settle()
        await super().main_loop()
        self._shutdown.announce()
        end = monotonic() + self._notice
        while monotonic() < end and not self.force_exit:  # noqa: ASYNC110  (uvicorn has only a flag)
            await asyncio.sleep(_TICK)
        self._shutdown.begin()
        # Uvicorn hangs up next: whoever holds a connection says why before that.
        await asyncio.sleep(_TICK)


def settle() -> None:
    """Spares the garbage collector what has come to stay, and its haste (docs/performance.md)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def configuration(app: ASGIApp, *, host: str, port: int, sockets: bool) -> uvicorn.Config:
    """How uvicorn runs; `sockets` where WebSockets are served, which takes a package more."""
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
        # It costs each socket more memory than all else, and an event is a few hundred bytes.
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

    class Sockets(WebSocketsSansIOProtocol):
        """Hangs up on who sends pings and does not read the answers: those would pile up here."""

        def handle_ping(self) -> None:
            if self.writable.is_set():
                super().handle_ping()
            else:
                self.transport.abort()

    return Sockets


def serve(
    app: ASGIApp, shutdown: Shutdown, *, host: str, port: int, notice: float, sockets: bool
) -> None:
    """Serves until SIGTERM or SIGINT; `notice` seconds lie between the steps of `shutdown`.

    Exits with status 3 when the application cannot start.
    """
    config = configuration(app, host=host, port=port, sockets=sockets)
    server = _Server(config, shutdown, notice)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(_STARTUP_FAILED)
