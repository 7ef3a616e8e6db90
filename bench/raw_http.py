"""Send requests that all differ, as prepared bytes, one after another on each connection."""

import asyncio
from collections.abc import Iterator
from statistics import median
from time import perf_counter
from typing import Any

import uvloop

from bench.load import LoadError, Measured, processor_time
from bench.testbed import Running

Requests = Iterator[bytes]
_OK = b"HTTP/1.1 200"
_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


def raw_request(path: str, headers: dict[str, str], content: bytes = b"") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: bench"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"content-length: {len(content)}", "", ""]).encode() + content


def drive(
    running: Running,
    requests: Requests,
    seconds: float,
    connections: int,
    *,
    containing: bytes = b"",
) -> Measured:
    """Until the seconds or the requests are over. Raises LoadError unless every answer is 200.

    It must hold these bytes, too.
    """
    return uvloop.run(_drive(running, requests, seconds, connections, containing))


async def _drive(
    running: Running, requests: Requests, seconds: float, connections: int, containing: bytes
) -> Measured:
    loop = asyncio.get_running_loop()
    host, _, port = running.url.removeprefix("http://").partition(":")
    before, began = processor_time(running.process.pid), perf_counter()
    all_ = []
    for _ in range(connections):
        _, connection = await loop.create_connection(
            lambda: _Connection(requests, began + seconds, containing, loop), host, int(port)
        )
        all_.append(connection)
    await asyncio.gather(*(connection.done for connection in all_))
    whole = perf_counter() - began
    took = sorted(one for connection in all_ for one in connection.took)
    cpu = (processor_time(running.process.pid) - before) / len(took) * 1e6
    return Measured(len(took) / whole, median(took) * 1000, took[int(len(took) * 0.99)] * 1000, cpu)


class _Connection(asyncio.Protocol):
    """Sends the next request when the answer to the last one is complete."""

    def __init__(
        self, requests: Requests, end: float, containing: bytes, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.took: list[float] = []
        self.done: asyncio.Future[None] = loop.create_future()
        self._wires = requests
        self._end = end
        self._containing = containing
        self._answer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        content = next(self._wires, None)
        if content is None:
            self._finish()
        else:
            self._sent = perf_counter()
            self._transport.write(content)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(_END)
        if not end or len(body) < _length(head):
            return
        now = perf_counter()
        self.took.append(now - self._sent)
        if not head.startswith(_OK) or self._containing not in body:
            self._finish(LoadError(f"bad answer: {self._answer[:500]!r}"))
        elif now < self._end:
            self._answer = b""
            self._send()
        else:
            self._finish()

    def connection_lost(self, error: Exception | None) -> None:
        self._finish(error or LoadError("connection closed"))

    def _finish(self, error: Exception | None = None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
        self._transport.close()


def _length(head: bytes) -> int:
    begin = head.lower().find(_LENGTH) + len(_LENGTH)
    return int(head[begin:].partition(b"\r\n")[0])
