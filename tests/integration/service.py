"""A declared service in tests: its settings, its application in process, its commands."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import httpx
from starlette.applications import Starlette

from chassis.principal import ROUTER_SECRET_HEADER, Principal
from chassis.topology import declared
from tests.settings import addresses

SECRET = "r" * 32
NO_REDIS = "redis://127.0.0.1:1/0"


def environment(name: str, database_url: str, redis_url: str = NO_REDIS) -> dict[str, str]:
    """Return the settings of a declared service without additional settings."""
    return addresses(name) | {
        f"{declared()[name].prefix}DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "ROUTER_SECRET": SECRET,
        "ENVIRONMENT": "production",
    }


def from_the_edge(user_id: UUID, *scopes: str) -> dict[str, str]:
    """Return the headers that the edge adds to a verified request."""
    principal = Principal(
        user_id=user_id,
        username="ada",
        scopes=frozenset(scopes),
        session_id=user_id,
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    )
    return {ROUTER_SECRET_HEADER: SECRET, **principal.headers()}


@asynccontextmanager
async def running(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """Run the application inside the block; yields a client."""
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")
    async with app.router.lifespan_context(app), client:
        yield client


def run_command(name: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of a declared service with these environment variables."""
    return subprocess.run(
        [sys.executable, "-m", declared()[name].module, *arguments],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
