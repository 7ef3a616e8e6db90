"""The writer: messages at once where possible, in order, and within a time limit."""

import asyncio
from typing import Any

import pytest

from graphql_streams.writer import ClientLeft, SendTimeout, Writer


class Server:
    """A server that writes at once, until `pause`; then it waits before it writes."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.readable = asyncio.Event()
        self.readable.set()
        self.error: Exception | None = None

    async def send(self, message: Any) -> None:
        await self.readable.wait()
        if self.error:
            raise self.error
        self.sent.append(message)

    def pause(self) -> None:
        self.readable.clear()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def slow() -> list[bool]:
    return []


@pytest.fixture
def writer(server: Server, slow: list[bool]) -> Writer:
    return Writer(server.send, 0.1, lambda: slow.append(True))


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class TestOffer:
    async def test_message_is_sent_before_it_returns(self, writer: Writer, server: Server) -> None:
        assert writer.offer({"number": 1})
        assert server.sent == [{"number": 1}]
        assert not writer.is_waiting

    async def test_one_message_waits_for_a_client_that_does_not_read(
        self, writer: Writer, server: Server, slow: list[bool]
    ) -> None:
        server.pause()
        assert writer.offer({"number": 1})
        assert writer.is_waiting
        assert not writer.offer({"number": 2}), "no second one waits"
        writing = asyncio.create_task(writer.write({"number": 2}))
        await turns()
        assert server.sent == []
        server.readable.set()
        await writing
        assert server.sent == [{"number": 1}, {"number": 2}]
        assert not slow

    async def test_message_is_refused_while_another_is_written(
        self, writer: Writer, server: Server
    ) -> None:
        server.pause()
        writing = asyncio.create_task(writer.write({"number": 1}))
        await turns()
        assert not writer.offer({"number": 2})
        server.readable.set()
        await writing
        assert writer.offer({"number": 2})
        assert server.sent == [{"number": 1}, {"number": 2}]

    async def test_client_that_never_reads_is_reported_and_gets_nothing_more(
        self, writer: Writer, server: Server, slow: list[bool]
    ) -> None:
        server.pause()
        assert writer.offer({"number": 1})
        while not slow:
            await asyncio.sleep(0.01)
        server.readable.set()
        await turns()
        assert server.sent == []
        assert slow == [True]

    async def test_cancelled_message_is_not_sent(
        self, writer: Writer, server: Server, slow: list[bool]
    ) -> None:
        server.pause()
        assert writer.offer({"number": 1})
        server.readable.set()
        writer.cancel()
        await turns()
        assert server.sent == []
        assert not writer.is_waiting
        assert not slow

    @pytest.mark.parametrize("error", [OSError(), RuntimeError()])
    async def test_client_that_has_left_takes_nothing(
        self, writer: Writer, server: Server, error: Exception
    ) -> None:
        server.error = error
        assert not writer.offer({"number": 1})


class TestWrite:
    async def test_messages_are_sent_in_order(self, writer: Writer, server: Server) -> None:
        await writer.write({"number": 1}, {"number": 2})
        assert server.sent == [{"number": 1}, {"number": 2}]

    async def test_client_that_does_not_read_is_too_slow(
        self, writer: Writer, server: Server
    ) -> None:
        server.pause()
        with pytest.raises(SendTimeout):
            await writer.write({"number": 1})
        server.readable.set()
        await turns()
        assert server.sent == []

    @pytest.mark.parametrize("late", [False, True])
    @pytest.mark.parametrize("error", [OSError(), RuntimeError()])
    async def test_closed_connection_is_a_client_that_left(
        self, writer: Writer, server: Server, error: Exception, late: bool
    ) -> None:
        server.error = error
        if late:
            server.pause()
            asyncio.get_running_loop().call_soon(server.readable.set)
        with pytest.raises(ClientLeft):
            await writer.write({"number": 1})

    async def test_cancelled_write_sends_nothing(self, writer: Writer, server: Server) -> None:
        server.pause()
        writing = asyncio.create_task(writer.write({"number": 1}))
        await turns()
        writing.cancel()
        server.readable.set()
        await asyncio.wait((writing,))
        assert writing.cancelled()
        assert server.sent == []
        await writer.write({"number": 2})
        assert server.sent == [{"number": 2}]
