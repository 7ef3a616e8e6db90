"""Runs an ASGI application under uvicorn, the same way in every service."""

import uvicorn
from starlette.types import ASGIApp

KEEP_ALIVE = 75
"""Seconds an idle connection stays open: longer than the router and the edge keep theirs."""


def serve(app: ASGIApp, *, host: str, port: int) -> None:
    """Serves until SIGTERM or SIGINT. Exits with status 3 when the application cannot start."""
    uvicorn.run(
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
