"""The PostgreSQL pool and the uvicorn start of the reference servers in Python."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import uvicorn
from starlette.applications import Starlette


class Postgres:
    """An asyncpg pool of 2 to 10 connections; as in the services, each statement is planned once.

    Pass `lifespan` to the application; `pool` is usable while it runs.
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
    """Serve on `PORT` with one process, uvloop and httptools, without an access log."""
    uvicorn.run(
        app,
        port=int(os.environ["PORT"]),
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
    )
