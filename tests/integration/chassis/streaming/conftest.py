"""A server for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.chassis.streaming.server import Running, serving


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    async with serving() as running:
        yield running
