"""A server whose background work crashes on demand, for tests that watch the process stop."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from chassis.background import running
from chassis.logging import configure_logging
from chassis.server import serve
from chassis.settings import Stage
from chassis.shutdown import Shutdown

crash = asyncio.Event()
closed = asyncio.Event()


async def work() -> None:
    await crash.wait()
    raise LookupError("no more work")


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with running(work()):
        try:
            yield
        finally:
            closed.set()


async def slow(_: Request) -> Response:
    """Crash the background work, and answer after the server has noticed."""
    crash.set()
    while not shutdown.is_announced:
        await asyncio.sleep(0.01)
    return PlainTextResponse("closed" if closed.is_set() else "open")


shutdown = Shutdown()
app = Starlette(routes=[Route("/slow", slow)], lifespan=lifespan)

if __name__ == "__main__":
    configure_logging("tests", Stage.PRODUCTION)
    serve(app, shutdown, host="127.0.0.1", port=int(sys.argv[1]), notice=0, sockets=False)
