"""PostgreSQL and the server of the references in Python."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import uvicorn
from starlette.applications import Starlette


class Postgres:
    """asyncpg's pool with its defaults; but each statement is planned once, as in the services.

    `pool` exists while an application with this `lifespan` runs.
    """

    pool: Any

    def __init__(self, url: str) -> None:
        self._url = url

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        planned_once = {"plan_cache_mode": "force_generic_plan"}
        async with asyncpg.create_pool(
            self._url, min_size=2, max_size=10, server_settings=planned_once
        ) as self.pool:
            yield


def serve(app: Starlette) -> None:
    """Serve on `PORT` with uvicorn's fastest settings and without an access log."""
    uvicorn.run(
        app,
        port=int(os.environ["PORT"]),
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
    )
