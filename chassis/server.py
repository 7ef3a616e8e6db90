"""Runs an ASGI application under uvicorn, the same way in every service."""

import asyncio
import sys
from contextlib import suppress
from time import monotonic

import uvicorn
from starlette.types import ASGIApp

from chassis.shutdown import Shutdown

KEEP_ALIVE = 75
"""Seconds an idle connection stays open: longer than the router and the edge keep theirs."""

_STARTUP_FAILED = 3
_TICK = 0.1


class _Server(uvicorn.Server):
    """Takes the first step of its shutdown a while before the second. Ctrl-C twice hastens it."""

    def __init__(self, config: uvicorn.Config, shutdown: Shutdown, notice: float) -> None:
        super().__init__(config)
        self._shutdown = shutdown
        self._notice = notice

    async def main_loop(self) -> None:
        await super().main_loop()
        self._shutdown.announce()
        end = monotonic() + self._notice
        while monotonic() < end and not self.force_exit:  # noqa: ASYNC110  (uvicorn has only a flag)
            await asyncio.sleep(_TICK)
        self._shutdown.begin()
        # Uvicorn hangs up next: whoever holds a connection says why before that.
        await asyncio.sleep(_TICK)


def serve(app: ASGIApp, shutdown: Shutdown, *, host: str, port: int, notice: float) -> None:
    """Serves until SIGTERM or SIGINT; `notice` seconds lie between the steps of `shutdown`.

    Exits with status 3 when the application cannot start.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=10,
    )
    server = _Server(config, shutdown, notice)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(_STARTUP_FAILED)
