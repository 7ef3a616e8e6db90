"""A process that is about to end has connections closed before it closes them itself."""

import asyncio

import httpx
from starlette.responses import Response

from chassis.shutdown import Draining, Shutdown


class TestDraining:
    async def ask(self, shutdown: Shutdown, meanwhile: bool = False) -> str | None:
        async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
            if meanwhile:
                shutdown.announce()
            await Response("")(scope, receive, send)

        transport = httpx.ASGITransport(Draining(app, shutdown))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            answer = await client.get("/")
            connection: str | None = answer.headers.get("connection")
            return connection

    async def test_as_long_as_nothing_is_announced_connections_are_kept(self) -> None:
        assert await self.ask(Shutdown()) is None

    async def test_from_then_on_each_answer_closes_its_own(self) -> None:
        shutdown = Shutdown()
        shutdown.announce()
        assert await self.ask(shutdown) == "close"

    async def test_so_does_the_answer_to_a_request_that_came_before(self) -> None:
        assert await self.ask(Shutdown(), meanwhile=True) == "close"


class TestShutdown:
    async def test_its_second_step_ends_the_waiting(self) -> None:
        shutdown = Shutdown()
        waiting = asyncio.create_task(shutdown.begun())
        shutdown.announce()
        await asyncio.sleep(0)
        assert not waiting.done()
        shutdown.begin()
        await waiting
