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
    MessageChannel,
    ProtocolError,
    SendTimeout,
    close_for,
    id_of,
    invalid_message,
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
    """Reads messages until the socket ends; each operation runs in a separate task.

    The reader runs under a deadline. The client, a time-out, an operation or the process end the
    socket by moving the deadline to the present.
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
        self._channel = MessageChannel(receive, send, limits.send_seconds)
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
        """Serve the socket; `principal` is the caller by the headers of the upgrade request."""
        with suppress(ClientLeft, SendTimeout):
            if PROTOCOL not in subprotocols:
                self.closed_with = NOT_THE_PROTOCOL
                await self._channel.accept(None)
                await self._channel.close(NOT_THE_PROTOCOL)
                return
            await self._channel.accept(PROTOCOL)
            try:
                with connections.open() as connection:
                    connection.stop = lambda: self._stop(close_for(connection.ended.result()))
                    await self._serve(connection, principal)
            except Restarting as error:
                self.closed_with = close_for(error)
                await self._channel.close(self.closed_with)

    # -- reader ----------------------------------------------------------------------------------

    async def _serve(self, connection: Connection, principal: Principal | None) -> None:
        try:
            async with self._deadline:
                while True:
                    await self._handle(await self._channel.receive(), connection, principal)
        except TimeoutError:
            pass  # self.closed_with has the reason
        except ProtocolError as error:
            self.closed_with = error.close
        except SendTimeout:
            self.closed_with = close_for(TooSlow())
        except ClientLeft:
            self.closed_with = None
        except Exception:
            _log.exception("socket failed")
            self.closed_with = INTERNAL_FAILURE
        finally:
            self._is_ending = True
            for task in self._tasks:
                task.cancel()
            try:
                if self.closed_with:
                    await self._channel.close(self.closed_with)
            finally:
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self, close: Close) -> None:
        """End the socket; the first reason counts."""
        if not self._is_ending:
            self._is_ending = True
            self.closed_with = close
            self._deadline.reschedule(0)

    def _stop(self, close: Close) -> None:
        """End the socket and cancel its operations: a cancelled send has sent nothing."""
        self._end(close)
        for task in self._tasks:
            task.cancel()

    def _start(self, coroutine: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _watch_idleness(self) -> None:
        """Set the deadline of a socket without operations, and remove it otherwise."""
        if self._is_ending:
            return
        if self._operations:
            self._deadline.reschedule(None)
        else:
            self.closed_with = IDLE
            now = asyncio.get_running_loop().time()
            self._deadline.reschedule(now + self._limits.idle_seconds)

    async def _handle(
        self, message: dict[str, Any], connection: Connection, principal: Principal | None
    ) -> None:
        match message.get("type"):
            case "connection_init":
                if self._is_initialised:
                    raise ProtocolError(TWO_INITS)
                self._is_initialised = True
                token = token_in(message.get("payload"))
                self._deadline.reschedule(None)
                self._start(self._initialise(token, connection, principal))
            case "ping":
                await self._channel.send({"type": "pong", **payload_of(message)})
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
                raise invalid_message("unknown type")

    # -- operations -------------------------------------------------------------------------------

    async def _initialise(
        self, token: str | None, connection: Connection, principal: Principal | None
    ) -> None:
        try:
            if token is not None:
                principal = await self._authenticate(token)
            principal = require(principal)
            connection.assign(principal)
            self._principal = principal
            self._watch_idleness()
            await self._channel.send({"type": "connection_ack"})
        except ClientError as error:
            self._end(close_for(error))
        except SendTimeout:
            self._end(close_for(TooSlow()))
        except ClientLeft:
            pass  # the reader notices it too
        except Exception:
            _log.exception("token check failed")
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
            # Completed operations count until their tasks have ended, up to the same number again.
            if len(self._operations) >= limit or len(self._tasks) >= 2 * limit:
                raise TooManyStreams(
                    f"This socket has {limit} operations. Complete one, or open another socket."
                )
        except ClientError as error:
            # Only this operation fails; the others continue.
            await self._channel.send({"id": id_, "type": "error", "payload": [format_error(error)]})
            return
        context = self._make_context(self._principal)
        self._operations[id_] = self._start(self._operate(id_, asked, context))
        self._watch_idleness()

    async def _operate(self, id_: str, asked: GraphQLRequest, context: RequestContext) -> None:
        try:
            last = await self._stream(id_, asked, context)
            if last:
                self._forget(id_)
                await self._channel.send(last)
        except SendTimeout:
            self._end(close_for(TooSlow()))
        except ClientLeft:
            pass  # the reader notices it too
        except Exception:
            _log.exception("operation failed")
            self._forget(id_)
            with suppress(ClientLeft, SendTimeout):
                await self._channel.send({"id": id_, "type": "error", "payload": [INTERNAL_ERROR]})

    async def _stream(
        self, id_: str, asked: GraphQLRequest, context: RequestContext
    ) -> dict[str, Any] | None:
        """Send the events. Returns the last message, or None if an event ends the socket."""
        results = self._schema.events(asked.query, asked.variables, asked.operation_name, context)
        async with aclosing(results):
            async for result in results:
                if ended := end_of(result):
                    self._end(close_for(ended))
                    return None
                if is_failure(result):
                    return {"id": id_, "type": "error", "payload": format_errors(result.errors)}
                await self._channel.send({"id": id_, "type": "next", "payload": payload(result)})
        return {"id": id_, "type": "complete"}

    def _forget(self, id_: str) -> None:
        """Remove the operation: the client may use its id again."""
        if self._operations.get(id_) is asyncio.current_task():
            del self._operations[id_]
            self._watch_idleness()
