"""A process drains its connections before it closes them, and stops after a crash."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.types import Message

from chassis.background import running
from chassis.shutdown import Draining, Shutdown, StopOnCrash


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

    async def test_connection_is_kept_before_the_announcement(self) -> None:
        assert await self.ask(Shutdown()) is None

    async def test_response_closes_its_connection_after_the_announcement(self) -> None:
        shutdown = Shutdown()
        shutdown.announce()
        assert await self.ask(shutdown) == "close"

    async def test_announcement_during_a_request_closes_its_connection(self) -> None:
        assert await self.ask(Shutdown(), meanwhile=True) == "close"


class TestShutdown:
    async def test_begun_returns_at_the_second_step(self) -> None:
        shutdown = Shutdown()
        waiting = asyncio.create_task(shutdown.begun())
        shutdown.announce()
        await asyncio.sleep(0)
        assert not waiting.done()
        shutdown.begin()
        await waiting


class Lifespan:
    """Runs the lifespan of an application as an ASGI server does."""

    def __init__(self, app: Starlette, shutdown: Shutdown) -> None:
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self.task = asyncio.create_task(
            StopOnCrash(app, shutdown)({"type": "lifespan"}, self._messages.get, self._send)
        )
        self.tell("lifespan.startup")

    def tell(self, type_: str) -> None:
        self._messages.put_nowait({"type": type_})

    async def _send(self, message: Message) -> None:
        self.sent.append(message)


class CrashError(Exception):
    pass


class TestStopOnCrash:
    def app(self, crashes: asyncio.Event, closed: asyncio.Event) -> Starlette:
        async def work() -> None:
            await crashes.wait()
            raise CrashError

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            async with running(work()):
                try:
                    yield
                finally:
                    closed.set()

        return Starlette(lifespan=lifespan)

    async def test_crash_stops_the_server_before_the_resources_are_closed(self) -> None:
        shutdown, crashes, closed = Shutdown(), asyncio.Event(), asyncio.Event()
        lifespan = Lifespan(self.app(crashes, closed), shutdown)
        crashes.set()
        while not shutdown.is_crash:
            await asyncio.sleep(0)
        assert not closed.is_set()
        lifespan.tell("lifespan.shutdown")
        with pytest.raises(CrashError):
            await lifespan.task
        assert closed.is_set()
        # Without the traceback, which the server would log a second time.
        assert lifespan.sent == [
            {"type": "lifespan.startup.complete"},
            {"type": "lifespan.shutdown.failed"},
        ]

    async def test_cancelled_lifespan_ends_at_once_after_the_announcement(self) -> None:
        shutdown, closed = Shutdown(), asyncio.Event()
        lifespan = Lifespan(self.app(asyncio.Event(), closed), shutdown)
        while not lifespan.sent:
            await asyncio.sleep(0)
        shutdown.announce()
        lifespan.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await lifespan.task
        assert closed.is_set()
        assert not shutdown.is_crash

    async def test_regular_shutdown_is_not_a_crash(self) -> None:
        shutdown = Shutdown()
        lifespan = Lifespan(self.app(asyncio.Event(), asyncio.Event()), shutdown)
        lifespan.tell("lifespan.shutdown")
        await lifespan.task
        assert lifespan.sent[-1] == {"type": "lifespan.shutdown.complete"}
        assert not shutdown.is_crash
