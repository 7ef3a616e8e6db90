"""A subscription as a streamed response: one POST, one operation."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send
from strawberry.types import ExecutionResult

from chassis.errors import ClientError, TooSlow, error_response, status_for
from chassis.graphql.request import GraphQLRequest, is_json
from chassis.graphql.schema import SubgraphSchema

from .connections import Connection, StreamLimits
from .protocols import Error, HttpProtocol, negotiate
from .results import (
    INTERNAL_ERROR,
    format_error,
    format_errors,
    is_failure,
    payload,
)

_UNBUFFERED = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}
_log = structlog.get_logger("chassis.streaming")


def choose_protocol(request: Request) -> HttpProtocol:
    """Return the protocol of the response. Raises HTTPException for an invalid request."""
    protocol = negotiate(request.headers.getlist("accept"))
    if protocol is None:
        raise HTTPException(
            406,
            "Send Accept: multipart/mixed;subscriptionSpec=1.0 or Accept: text/event-stream.",
        )
    if request.method != "POST":
        # GET would put documents into logs and allow links from other sites.
        raise HTTPException(405, "Send subscriptions by POST.", {"allow": "POST"})
    if not is_json(request.headers.get("content-type", "")):
        raise HTTPException(415, "Send the request with Content-Type: application/json.")
    return protocol


def refusal(protocol: HttpProtocol, error: ClientError) -> Response:
    """Return the response to a request for which no stream is opened.

    With status 200, the error is a result of the operation in the form of the protocol.
    """
    status = status_for(error.code)
    if status == 200:
        errors = [format_error(error)]
        content_type, body = protocol.refusal(errors) or (
            protocol.content_type,
            protocol.opening() + protocol.failure(errors),
        )
        return Response(body, headers={"content-type": content_type, **_UNBUFFERED})
    response = error_response(status, error.code, str(error))
    if status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response


class HttpStream:
    """Writes the results of one subscription until it ends, the client leaves or the process stops.

    While a client does not read, the subscription stands still with one waiting message, besides
    the buffers of the server and the network. After `send_seconds` the stream ends.
    """

    def __init__(
        self, protocol: HttpProtocol, limits: StreamLimits, receive: Receive, send: Send
    ) -> None:
        self._protocol = protocol
        self._limits = limits
        self._receive = receive
        self._send = send
        self._writing = asyncio.Lock()
        self._is_started = False
        self._is_finished = False

    async def run(
        self, schema: SubgraphSchema, asked: GraphQLRequest, context: object, connection: Connection
    ) -> None:
        """Return when the response is complete or the client has left."""
        subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        results = schema.events(
            asked.query,
            asked.variables,
            asked.operation_name,
            context,
            subscribed=lambda: subscribed.set_result(None),
        )
        writer = asyncio.create_task(self._write_all(results))
        client_left = asyncio.create_task(self._client_left())
        connection.stop = writer.cancel  # a cancelled write has written nothing
        try:
            last_error = await self._accompany(writer, client_left, subscribed, connection)
        finally:
            for task in (writer, client_left):
                task.cancel()
            await asyncio.gather(writer, client_left, return_exceptions=True)
        if last_error and not self._is_finished:
            with suppress(TimeoutError):
                await self._fail([last_error])

    async def _accompany(
        self,
        writer: asyncio.Task[None],
        client_left: asyncio.Task[None],
        subscribed: asyncio.Future[None],
        connection: Connection,
    ) -> Error | None:
        """Open the stream and send heartbeats. Return an error that `writer` has not sent."""
        ends: set[asyncio.Future[Any]] = {writer, client_left, connection.ended}
        await asyncio.wait({*ends, subscribed}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if not any(end.done() for end in ends):
                await self._start()
            while not (await asyncio.wait(ends, **self._until_heartbeat))[0]:
                if not self._writing.locked():
                    await self._write(self._protocol.heartbeat())
            if writer.done() and not writer.cancelled():
                writer.result()
        except TimeoutError:
            return format_error(TooSlow())
        except Exception:
            _log.exception("stream failed")
            return INTERNAL_ERROR
        if connection.ended.done() and not client_left.done():
            return format_error(connection.ended.result())
        return None

    @property
    def _until_heartbeat(self) -> dict[str, Any]:
        return {
            "timeout": self._limits.heartbeat_seconds,
            "return_when": asyncio.FIRST_COMPLETED,
        }

    async def _write_all(self, results: AsyncGenerator[ExecutionResult, None]) -> None:
        async with aclosing(results):
            async for result in results:
                if is_failure(result):
                    await self._fail(format_errors(result.errors))
                    return
                await self._start()
                await self._write(self._protocol.event(payload(result)))
        await self._start()
        await self._finish(self._protocol.end())

    async def _fail(self, errors: list[Error]) -> None:
        refusal = None if self._is_started else self._protocol.refusal(errors)
        if refusal is None:
            await self._start()
            await self._finish(self._protocol.failure(errors))
            return
        self._is_started = True
        content_type, body = refusal
        status = status_for(errors[0].get("extensions", {}).get("code", ""))
        headers = {"content-type": content_type, "content-length": str(len(body))}
        if status == 401:
            headers["www-authenticate"] = "Bearer"
        await self._begin(status, headers)
        await self._finish(body)

    async def _start(self) -> None:
        if not self._is_started:
            self._is_started = True
            headers = {"content-type": self._protocol.content_type, **_UNBUFFERED}
            await self._begin(200, headers, self._protocol.opening())

    async def _begin(self, status: int, headers: dict[str, str], opening: bytes = b"") -> None:
        async with asyncio.timeout(self._limits.send_seconds), self._writing:
            await self._send(
                {
                    "type": "http.response.start",
                    "status": status,
                    "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
                }
            )
            await self._send({"type": "http.response.body", "body": opening, "more_body": True})

    async def _write(self, chunk: bytes) -> None:
        async with asyncio.timeout(self._limits.send_seconds), self._writing:
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def _finish(self, chunk: bytes) -> None:
        async with asyncio.timeout(self._limits.send_seconds), self._writing:
            await self._send({"type": "http.response.body", "body": chunk, "more_body": False})
            self._is_finished = True

    async def _client_left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
