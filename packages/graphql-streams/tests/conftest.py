"""A server for each test."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from streams_server import Running, serving


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    async with serving() as running:
        yield running
