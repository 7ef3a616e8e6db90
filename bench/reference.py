"""What the references in Python have in common: how they reach PostgreSQL and how they serve."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import uvicorn
from starlette.applications import Starlette


class Postgres:
    """asyncpg's pool as it comes, but for the plans: each statement's is made once, as ours is.

    `pool` is there while an application with this `lifespan` runs.
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
    """On `PORT`, with what is fastest in uvicorn and nothing logged."""
    uvicorn.run(
        app,
        port=int(os.environ["PORT"]),
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
    )
