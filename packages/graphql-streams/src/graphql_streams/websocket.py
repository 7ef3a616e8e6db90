"""One WebSocket that speaks graphql-transport-ws, the protocol of the graphql-ws package.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
import logging
from contextlib import aclosing, suppress
from typing import Any

from .connections import Connection, Connections, Limits
from .errors import (
    InternalError,
    Overloaded,
    Refused,
    Restarting,
    StreamEnded,
    TooManyStreams,
    TooSlow,
)
from .graphql_transport_ws import (
    IDLE,
    INTERNAL_FAILURE,
    NO_INIT,
    NOT_INITIALISED,
    NOT_THE_PROTOCOL,
    PROTOCOL,
    TWO_INITS,
    Close,
    MessageChannel,
    ProtocolError,
    close_for,
    id_of,
    init_payload,
    invalid_message,
    next_head,
    payload_of,
)
from .interfaces import Authenticate, Handshake, Operation, Receive, Scope, Send, Subscribe
from .request import GraphQLRequest
from .results import responses
from .writer import ClientLeft, SendTimeout, Writer

_log = logging.getLogger("graphql_streams")


class Socket:
    """Reads messages until the socket ends; each operation runs in a separate task.

    The reader runs under a deadline. The client, a time-out, an operation or the process end the
    socket by moving the deadline to the present.
    """

    __slots__ = (
        "_authenticate",
        "_channel",
        "_closed_with",
        "_connections",
        "_deadline",
        "_handshake",
        "_is_ending",
        "_is_initialised",
        "_limits",
        "_operations",
        "_subscribe_to",
        "_tasks",
        "_writer",
    )

    def __init__(
        self,
        subscribe: Subscribe,
        authenticate: Authenticate,
        connections: Connections,
        limits: Limits,
        receive: Receive,
        send: Send,
    ) -> None:
        self._subscribe_to = subscribe
        self._authenticate = authenticate
        self._connections = connections
        self._limits = limits
        self._writer = Writer(send, limits.send_seconds, lambda: self._end(close_for(TooSlow())))
        self._channel = MessageChannel(receive, self._writer, message_bytes=limits.message_bytes)
        self._deadline = asyncio.timeout(limits.init_seconds)
        self._closed_with: Close | None = NO_INIT
        self._is_initialised = False
        self._is_ending = False
        self._handshake: Handshake
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, scope: Scope) -> None:
        """Serve the socket of this ASGI scope until it is closed."""
        self._handshake = Handshake(scope)
        with suppress(ClientLeft, SendTimeout):
            if PROTOCOL not in scope["subprotocols"]:
                await self._channel.accept(None)
                await self._channel.close(NOT_THE_PROTOCOL)
                return
            await self._channel.accept(PROTOCOL)
            try:
                with self._connections.open() as connection:
                    connection.stop = lambda: self._stop(close_for(connection.ended.result()))
                    await self._serve(connection)
            except (Restarting, Overloaded) as error:
                await self._channel.close(close_for(error))

    # -- reader ----------------------------------------------------------------------------------

    async def _serve(self, connection: Connection) -> None:
        try:
            async with self._deadline:
                while True:
                    await self._handle(await self._channel.receive(), connection)
        except TimeoutError:
            pass  # self._closed_with has the reason
        except ProtocolError as error:
            self._closed_with = error.close
        except SendTimeout:
            self._closed_with = close_for(TooSlow())
        except ClientLeft:
            self._closed_with = None
        except Exception:
            _log.exception("socket failed")
            self._closed_with = INTERNAL_FAILURE
        finally:
            self._is_ending = True
            self._cancel()
            try:
                if self._closed_with:
                    await self._channel.close(self._closed_with)
            finally:
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self, close: Close) -> None:
        """End the socket; the first reason counts."""
        if not self._is_ending:
            self._is_ending = True
            self._closed_with = close
            self._deadline.reschedule(0)

    def _stop(self, close: Close) -> None:
        """End the socket and cancel its operations: a cancelled send has sent nothing."""
        self._end(close)
        self._cancel()

    def _cancel(self) -> None:
        self._writer.cancel()
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
            self._closed_with = IDLE
            now = asyncio.get_running_loop().time()
            self._deadline.reschedule(now + self._limits.idle_seconds)

    async def _handle(self, message: dict[str, Any], connection: Connection) -> None:
        match message.get("type"):
            case "connection_init":
                if self._is_initialised:
                    raise ProtocolError(TWO_INITS)
                self._is_initialised = True
                self._handshake = Handshake(self._handshake.scope, init_payload(message))
                self._deadline.reschedule(None)
                self._start(self._initialise(connection))
            case "ping":
                await self._channel.send({"type": "pong", **payload_of(message)})
            case "pong":
                pass
            case "subscribe":
                await self._subscribe(message, connection)
            case "complete":
                task = self._operations.pop(id_of(message), None)
                if task:
                    task.cancel()
                    self._watch_idleness()
            case _:
                raise invalid_message("unknown type")

    # -- operations -------------------------------------------------------------------------------

    async def _initialise(self, connection: Connection) -> None:
        try:
            connection.assign(await self._authenticate(self._handshake))
            self._watch_idleness()
            await self._channel.send({"type": "connection_ack"})
        except Refused as error:
            self._end(close_for(error))
        except SendTimeout:
            self._end(close_for(TooSlow()))
        except ClientLeft:
            pass  # the reader notices it too
        except Exception:
            _log.exception("authentication failed")
            self._end(INTERNAL_FAILURE)

    async def _subscribe(self, message: dict[str, Any], connection: Connection) -> None:
        if connection.caller is None:
            raise ProtocolError(NOT_INITIALISED)
        id_ = id_of(message)
        if id_ in self._operations:
            raise ProtocolError(Close(4409, f"Subscriber for {id_} already exists"))
        try:
            request = GraphQLRequest.parse(message.get("payload"))
            limit = self._limits.operations_per_socket
            # Completed operations count until their tasks have ended, up to the same number again.
            if len(self._operations) >= limit or len(self._tasks) >= 2 * limit:
                raise TooManyStreams(
                    f"This socket has {limit} operations. Complete one, or open another socket."
                )
        except Refused as error:
            # Only this operation fails; the others continue.
            await self._channel.send({"id": id_, "type": "error", "payload": error.formatted})
            return
        head = next_head(id_)

        def offer(response: bytes) -> bool:
            return (
                connection.is_permitted
                and self._operations.get(id_) is task
                and self._channel.offer_next(head, response)
            )

        operation = Operation(request, connection.caller, self._handshake, offer=offer)
        task = self._start(self._operate(id_, head, operation, connection))
        self._operations[id_] = task
        self._watch_idleness()

    async def _operate(
        self, id_: str, head: str, operation: Operation, connection: Connection
    ) -> None:
        try:
            last = await self._last_message(id_, head, operation, connection)
            if self._forget(id_) and not connection.ended.done():
                await self._channel.send(last)
        except StreamEnded as error:
            self._end(close_for(error))
        except SendTimeout:
            self._end(close_for(TooSlow()))
        except ClientLeft:
            pass  # the reader notices it too

    async def _last_message(
        self, id_: str, head: str, operation: Operation, connection: Connection
    ) -> dict[str, Any]:
        """Send the events and return the message that ends the operation."""
        try:
            async with aclosing(responses(self._subscribe_to, operation, connection)) as events:
                async for response in events:
                    if not self._runs(id_):
                        break  # the client has completed it, and a source went on all the same
                    await self._channel.send_next(head, response)
        except (StreamEnded, SendTimeout, ClientLeft):
            raise
        except Refused as error:
            return {"id": id_, "type": "error", "payload": error.formatted}
        except Exception:
            _log.exception("operation failed")
            return {"id": id_, "type": "error", "payload": InternalError().formatted}
        return {"id": id_, "type": "complete"}

    def _runs(self, id_: str) -> bool:
        """Return whether the operation of this task has not been completed by the client."""
        return self._operations.get(id_) is asyncio.current_task()

    def _forget(self, id_: str) -> bool:
        """Remove the operation: the client may use its id again. Returns False if it had ended."""
        if not self._runs(id_):
            return False
        del self._operations[id_]
        self._watch_idleness()
        return True
