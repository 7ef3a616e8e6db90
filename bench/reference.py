"""What the references in Python have in common: how they reach PostgreSQL and how they serve."""

import os
from typing import Any

import asyncpg
import uvicorn
from starlette.types import ASGIApp


def pool(database_url: str) -> Any:
    """asyncpg's pool as it comes, but for the plans: each statement's is made once, as ours is."""
    planned_once = {"plan_cache_mode": "force_generic_plan"}
    return asyncpg.create_pool(database_url, min_size=2, max_size=10, server_settings=planned_once)


def serve(app: ASGIApp) -> None:
    """On `PORT`, with what is fastest in uvicorn and nothing logged."""
    uvicorn.run(
        app,
        port=int(os.environ["PORT"]),
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
    )
