"""One WebSocket that speaks graphql-transport-ws, the protocol of the graphql-ws package.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any

import structlog
from starlette.types import Receive, Send

from chassis.errors import ClientError, Restarting, TooSlow
from chassis.graphql.context import RequestContext
from chassis.graphql.request import GraphQLRequest
from chassis.graphql.schema import SubgraphSchema
from chassis.principal import Principal, require

from .connections import Connection, Connections, StreamLimits, TooManyStreams
from .graphql_transport_ws import (
    IDLE,
    INTERNAL_FAILURE,
    NO_INIT,
    NOT_INITIALISED,
    NOT_THE_PROTOCOL,
    PROTOCOL,
    TWO_INITS,
    ClientLeft,
    Close,
    NotRead,
    ProtocolError,
    Wire,
    bad,
    close_for,
    id_of,
    payload_of,
    token_in,
)
from .results import (
    INTERNAL_ERROR,
    end_of,
    format_error,
    format_errors,
    is_failure,
    payload,
)

_log = structlog.get_logger("chassis.streaming")


class Socket:
    """Reads messages until the socket ends; each operation is a task beside that.

    Whatever ends it (the client, a time-out, an operation, the process) ends it here: the reader
    runs inside a time-out, and to end the socket is to let that strike at once.
    """

    def __init__(
        self,
        schema: SubgraphSchema,
        make_context: Callable[[Principal], RequestContext],
        authenticate: Callable[[str], Awaitable[Principal]],
        limits: StreamLimits,
        receive: Receive,
        send: Send,
    ) -> None:
        self._schema = schema
        self._make_context = make_context
        self._authenticate = authenticate
        self._limits = limits
        self._wire = Wire(receive, send, limits.send_seconds)
        self._deadline = asyncio.timeout(limits.init_seconds)
        self.closed_with: Close | None = NO_INIT
        self._is_initialised = False
        self._is_ending = False
        self._principal: Principal | None = None
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(
        self, subprotocols: Sequence[str], principal: Principal | None, connections: Connections
    ) -> None:
        """Serves the socket; `principal` is who the headers of the upgrade say it is."""
        with suppress(ClientLeft, NotRead):
            if PROTOCOL not in subprotocols:
                self.closed_with = NOT_THE_PROTOCOL
                await self._wire.accept(None)
                await self._wire.close(NOT_THE_PROTOCOL)
                return
            await self._wire.accept(PROTOCOL)
            try:
                with connections.open() as place:
                    place.stop = lambda: self._stop(close_for(place.ended.result()))
                    await self._serve(place, principal)
            except Restarting as error:
                self.closed_with = close_for(error)
                await self._wire.close(self.closed_with)

    # -- the reader ------------------------------------------------------------------------------

    async def _serve(self, place: Connection, principal: Principal | None) -> None:
        try:
            async with self._deadline:
                while True:
                    await self._handle(await self._wire.receive(), place, principal)
        except TimeoutError:
            pass  # self.closed_with says why
        except ProtocolError as error:
            self.closed_with = error.close
        except NotRead:
            self.closed_with = close_for(TooSlow())
        except ClientLeft:
            self.closed_with = None
        except Exception:
            _log.exception("a socket failed")
            self.closed_with = INTERNAL_FAILURE
        finally:
            self._is_ending = True
            for task in self._tasks:
                task.cancel()
            try:
                if self.closed_with:
                    await self._wire.close(self.closed_with)
            finally:
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self, close: Close) -> None:
        """Ends the socket; the first reason is the one that counts."""
        if not self._is_ending:
            self._is_ending = True
            self.closed_with = close
            self._deadline.reschedule(0)

    def _stop(self, close: Close) -> None:
        """Ends the socket, and all that might still send something at once: a cancelled send has
        sent nothing."""
        self._end(close)
        for task in self._tasks:
            task.cancel()

    def _start(self, coroutine: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _watch_idleness(self) -> None:
        """The socket ends after a while without an operation."""
        if self._is_ending:
            return
        if self._operations:
            self._deadline.reschedule(None)
        else:
            self.closed_with = IDLE
            now = asyncio.get_running_loop().time()
            self._deadline.reschedule(now + self._limits.idle_seconds)

    async def _handle(
        self, message: dict[str, Any], place: Connection, principal: Principal | None
    ) -> None:
        match message.get("type"):
            case "connection_init":
                if self._is_initialised:
                    raise ProtocolError(TWO_INITS)
                self._is_initialised = True
                token = token_in(message.get("payload"))
                self._deadline.reschedule(None)
                self._start(self._initialise(token, place, principal))
            case "ping":
                await self._wire.send({"type": "pong", **payload_of(message)})
            case "pong":
                pass
            case "subscribe":
                await self._subscribe(message)
            case "complete":
                task = self._operations.pop(id_of(message), None)
                if task:
                    task.cancel()
                    self._watch_idleness()
            case _:
                raise bad("unknown type")

    # -- what a client asks for ------------------------------------------------------------------

    async def _initialise(
        self, token: str | None, place: Connection, principal: Principal | None
    ) -> None:
        try:
            if token is not None:
                principal = await self._authenticate(token)
            principal = require(principal)
            place.take(principal)
            self._principal = principal
            self._watch_idleness()
            await self._wire.send({"type": "connection_ack"})
        except ClientError as error:
            self._end(close_for(error))
        except NotRead:
            self._end(close_for(TooSlow()))
        except ClientLeft:
            pass  # the reader has seen it too
        except Exception:
            _log.exception("a token could not be checked")
            self._end(INTERNAL_FAILURE)

    async def _subscribe(self, message: dict[str, Any]) -> None:
        if self._principal is None:
            raise ProtocolError(NOT_INITIALISED)
        id_ = id_of(message)
        if id_ in self._operations:
            raise ProtocolError(Close(4409, f"Subscriber for {id_} already exists"))
        try:
            asked = GraphQLRequest.parse(message.get("payload"))
            limit = self._limits.operations_per_socket
            # As many again may have been completed and have yet to end.
            if len(self._operations) >= limit or len(self._tasks) >= 2 * limit:
                raise TooManyStreams("Too many operations run on this socket.")
        except ClientError as error:
            # Only this operation fails; the others of the socket go on.
            await self._wire.send({"id": id_, "type": "error", "payload": [format_error(error)]})
            return
        context = self._make_context(self._principal)
        self._operations[id_] = self._start(self._operate(id_, asked, context))
        self._watch_idleness()

    async def _operate(self, id_: str, asked: GraphQLRequest, context: RequestContext) -> None:
        try:
            last = await self._stream(id_, asked, context)
            if last:
                self._forget(id_)
                await self._wire.send(last)
        except NotRead:
            self._end(close_for(TooSlow()))
        except ClientLeft:
            pass  # the reader has seen it too
        except Exception:
            _log.exception("an operation failed")
            self._forget(id_)
            with suppress(ClientLeft, NotRead):
                await self._wire.send({"id": id_, "type": "error", "payload": [INTERNAL_ERROR]})

    async def _stream(
        self, id_: str, asked: GraphQLRequest, context: RequestContext
    ) -> dict[str, Any] | None:
        """Sends the events, and gives the last message; none where the socket ends with them."""
        results = self._schema.events(asked.query, asked.variables, asked.operation_name, context)
        async with aclosing(results):
            async for result in results:
                if ended := end_of(result):
                    self._end(close_for(ended))
                    return None
                if is_failure(result):
                    return {"id": id_, "type": "error", "payload": format_errors(result.errors)}
                await self._wire.send({"id": id_, "type": "next", "payload": payload(result)})
        return {"id": id_, "type": "complete"}

    def _forget(self, id_: str) -> None:
        """From here on the client may use the id again."""
        if self._operations.get(id_) is asyncio.current_task():
            del self._operations[id_]
            self._watch_idleness()
