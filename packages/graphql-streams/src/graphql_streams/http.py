"""A subscription as a streamed response: one POST, one operation."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

from .connections import Connection, Limits
from .errors import InternalError, Refused, TooSlow, status_for
from .formats import Error, Format, negotiate
from .interfaces import Handshake, Operation, Receive, Scope, Send, Subscribe
from .request import is_json
from .results import encode, responses
from .writer import ClientLeft, SendTimeout, Writer

_UNBUFFERED = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}
_FIRST_STEP = 0.05
"""Seconds from `started` to the 200: a source that fails in between is refused with a status."""

_log = logging.getLogger("graphql_streams")


@dataclass
class Response:
    """A whole response."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self, send: Send) -> None:
        headers = {"content-length": str(len(self.body)), **self.headers}
        await send(_start_of(self.status, headers))
        await send({"type": "http.response.body", "body": self.body})


class HttpRefusal(Exception):
    """The request is refused before it is read: `Accept`, method, content type or size."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.response = error_response(status, Refused(message), headers)


class Disconnected(Exception):
    """The client left before it had sent its request."""


def error_response(status: int, error: Refused, headers: dict[str, str] | None = None) -> Response:
    """Return a GraphQL response that holds one error and no data."""
    body = encode({"errors": error.formatted})
    return Response(status, body, {"content-type": "application/json", **(headers or {})})


def choose_format(scope: Scope) -> Format:
    """Return the format of the response. Raises HttpRefusal for an invalid request."""
    accepted = [v.decode("latin-1") for name, v in scope["headers"] if name.lower() == b"accept"]
    format_ = negotiate(accepted)
    if format_ is None:
        raise HttpRefusal(
            406, "Send Accept: multipart/mixed;subscriptionSpec=1.0 or Accept: text/event-stream."
        )
    if scope["method"] != "POST":
        # GET would put documents into logs and allow links from other sites.
        raise HttpRefusal(405, "Send subscriptions by POST.", {"allow": "POST"})
    if not is_json(Handshake(scope).headers.get("content-type", "")):
        raise HttpRefusal(415, "Send the request with Content-Type: application/json.")
    return format_


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the body of the request. Raises HttpRefusal above `limit` bytes, or Disconnected."""
    too_large = HttpRefusal(
        413, f"The request body is larger than {limit} bytes. Send a smaller request."
    )
    declared = Handshake(scope).headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
        if len(body) > limit:
            raise too_large
        if not message.get("more_body"):
            return bytes(body)


def refusal(format_: Format, error: Refused) -> Response:
    """Return the response to a request for which no stream is opened.

    With status 200, the error is a result of the operation in the form of the protocol.
    """
    if error.status == 200:
        content_type, body = format_.refusal(error.formatted) or (
            format_.content_type,
            format_.opening() + format_.failure(error.formatted),
        )
        return Response(200, body, {"content-type": content_type, **_UNBUFFERED})
    return error_response(error.status, error, _challenge(error.status))


def _challenge(status: int) -> dict[str, str]:
    return {"www-authenticate": "Bearer"} if status == 401 else {}


def _start_of(status: int, headers: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "http.response.start",
        "status": status,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }


class HttpStream:
    """Writes the results of one subscription until it ends, the client leaves or the process stops.

    While a client does not read, the subscription stands still with one waiting message, besides
    the buffers of the server and the network. After `send_seconds` the stream ends.
    """

    def __init__(
        self,
        format_: Format,
        limits: Limits,
        connection: Connection,
        receive: Receive,
        send: Send,
    ) -> None:
        self._format = format_
        self._limits = limits
        self._connection = connection
        self._receive = receive
        self._writer = Writer(send, limits.send_seconds, lambda: connection.end(TooSlow()))
        self._subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_started = False
        self._is_finished = False

    def started(self) -> None:
        """Open the stream before the first event."""
        if not self._subscribed.done():
            self._subscribed.set_result(None)

    def offer(self, response: bytes) -> bool:
        """Send the response to an event now, as Operation.offer does."""
        return (
            self._is_started
            and not self._is_finished
            and self._connection.is_permitted
            and self._writer.offer(self._chunk(self._format.event(response)))
        )

    async def run(self, subscribe: Subscribe, operation: Operation) -> None:
        """Return when the response is complete or the client has left."""
        events = responses(subscribe, operation, self._connection)
        writer = asyncio.create_task(self._write_all(events))
        client_left = asyncio.create_task(self._client_left())

        def stop() -> None:
            writer.cancel()
            self._writer.cancel()

        self._connection.stop = stop
        try:
            last_error = await self._hold_open(writer, client_left, self._connection)
        finally:
            self._writer.cancel()
            for task in (writer, client_left):
                task.cancel()
            await asyncio.gather(writer, client_left, return_exceptions=True)
        if last_error and not self._is_finished:
            with suppress(SendTimeout, ClientLeft):
                await self._fail(last_error)

    async def _hold_open(
        self,
        writer: asyncio.Task[None],
        client_left: asyncio.Task[None],
        connection: Connection,
    ) -> list[Error]:
        """Open the stream and send heartbeats. Return the errors that `writer` has not sent."""
        ends: set[asyncio.Future[Any]] = {writer, client_left, connection.ended}
        await asyncio.wait({*ends, self._subscribed}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(ends, timeout=_FIRST_STEP, return_when=asyncio.FIRST_COMPLETED)
        try:
            if not any(end.done() for end in ends):
                await self._start()
            while not (await asyncio.wait(ends, **self._until_heartbeat))[0]:
                if not self._writer.is_waiting:
                    await self._write(self._format.heartbeat())
            if writer.done() and not writer.cancelled():
                writer.result()
        except SendTimeout:
            return TooSlow().formatted
        except ClientLeft:
            return []
        except Exception:
            _log.exception("stream failed")
            return InternalError().formatted
        if connection.ended.done() and not client_left.done():
            return connection.ended.result().formatted
        return []

    @property
    def _until_heartbeat(self) -> dict[str, Any]:
        return {
            "timeout": self._limits.heartbeat_seconds,
            "return_when": asyncio.FIRST_COMPLETED,
        }

    async def _write_all(self, events: AsyncGenerator[bytes, None]) -> None:
        try:
            async with aclosing(events):
                async for response in events:
                    await self._start()
                    await self._write(self._format.event(response))
        except Refused as error:
            await self._fail(error.formatted)
        else:
            await self._start()
            await self._finish(self._format.end())

    async def _fail(self, errors: list[Error]) -> None:
        refusal = None if self._is_started else self._format.refusal(errors)
        if refusal is None:
            await self._start()
            await self._finish(self._format.failure(errors))
            return
        self._is_started = True
        content_type, body = refusal
        status = status_for(errors[0].get("extensions", {}).get("code", ""))
        headers = {"content-type": content_type, "content-length": str(len(body))}
        await self._begin(status, headers | _challenge(status))
        await self._finish(body)

    async def _start(self) -> None:
        if not self._is_started:
            self._is_started = True
            headers = {"content-type": self._format.content_type, **_UNBUFFERED}
            await self._begin(200, headers, self._format.opening())

    async def _begin(self, status: int, headers: dict[str, str], opening: bytes = b"") -> None:
        await self._writer.write(_start_of(status, headers), self._chunk(opening))

    async def _write(self, chunk: bytes) -> None:
        await self._writer.write(self._chunk(chunk))

    async def _finish(self, chunk: bytes) -> None:
        await self._writer.write(self._chunk(chunk, last=True))
        self._is_finished = True

    @staticmethod
    def _chunk(body: bytes, *, last: bool = False) -> dict[str, Any]:
        return {"type": "http.response.body", "body": body, "more_body": not last}

    async def _client_left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
