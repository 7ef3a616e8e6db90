"""The open connections of a process: their limits, and how they are ended."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import time

from .errors import (
    Overloaded,
    Restarting,
    SessionEnded,
    StreamEnded,
    TokenExpired,
    TooManyStreams,
)
from .interfaces import Caller, Revocations


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of sockets and HTTP streams; times are in seconds."""

    connections: int = 10_000
    """Sockets and HTTP streams in one process, those that are not authenticated yet included."""
    connections_per_caller: int = 20
    """Sockets and HTTP streams of one caller in one process."""
    operations_per_socket: int = 20
    """Active operations; as many again may be ending."""
    message_bytes: int = 256 * 1024
    """The size of a request, and of a message on a socket. The server has a limit too."""
    init_seconds: float = 3
    """The time limit for the `connection_init` of a socket."""
    idle_seconds: float = 60
    """How long a socket stays open without an operation."""
    send_seconds: float = 10
    """How long a message may wait for a client that does not read."""
    heartbeat_seconds: float = 5
    """The interval of heartbeats on an HTTP stream, which Apollo's protocol requires."""


class Connection:
    """An open socket or stream."""

    __slots__ = ("_connections", "_expiry", "caller", "ended", "stop")

    def __init__(self, connections: "Connections") -> None:
        self._connections = connections
        self._expiry: asyncio.TimerHandle | None = None
        self.caller: Caller | None = None
        self.ended: asyncio.Future[StreamEnded] = asyncio.get_running_loop().create_future()
        self.stop: Callable[[], object] = lambda: None
        """Cancels everything that may send. Called once `ended` has its reason."""

    def assign(self, caller: Caller) -> None:
        """Count the connection as one of this caller, and end it when the caller's time is over.

        Raises TooManyStreams or SessionEnded.
        """
        self._connections.add(self, caller)
        self.caller = caller
        if caller.expires_at is not None:
            lifetime = max(0.0, caller.expires_at.timestamp() - time())
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(lifetime, self.end, TokenExpired())

    def end(self, reason: StreamEnded) -> None:
        """End the connection: after this call only the reason can be sent."""
        if not self.ended.done():
            self.ended.set_result(reason)
            self.stop()

    @property
    def is_permitted(self) -> bool:
        """Whether an event may be sent now: no session has ended that this process may not know."""
        revocations = self._connections.revocations
        return not self.ended.done() and (revocations is None or revocations.is_current)

    async def permit(self) -> None:
        """Return when an event may be sent.

        Raises the reason if the connection has ended.
        """
        # An ended connection is cancelled, but a resolver may have caught that.
        revocations = self._connections.revocations
        while revocations is not None and not revocations.is_current and not self.ended.done():
            await revocations.current()
        if self.ended.done():
            raise self.ended.result()

    def close(self) -> None:
        self.ended.cancel()
        if self._expiry:
            self._expiry.cancel()


class Connections:
    """The open sockets and streams of this process; `len()` is their number."""

    def __init__(self, limits: Limits, revocations: Revocations | None = None) -> None:
        """Without `revocations`, sessions end only by `end_sessions`, and events never wait."""
        self.revocations = revocations
        self._limits = limits
        self._open: set[Connection] = set()
        self._counts: Counter[Hashable] = Counter()
        self._of_session: dict[str, set[Connection]] = {}
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def open(self) -> Iterator[Connection]:
        """Register a connection while the block runs. Raises Restarting or Overloaded."""
        if self._is_closed:
            raise Restarting
        if len(self._open) >= self._limits.connections:
            raise Overloaded
        connection = Connection(self)
        self._open.add(connection)
        try:
            yield connection
        finally:
            self._open.discard(connection)
            connection.close()
            if connection.caller is not None:
                self._leave(connection, connection.caller)

    def add(self, connection: Connection, caller: Caller) -> None:
        """Count a connection of this caller. Raises TooManyStreams or SessionEnded."""
        # A session may have ended since it was verified, before `end_sessions` could find it here.
        if (
            caller.session_id is not None
            and self.revocations is not None
            and self.revocations.has_ended(caller.session_id)
        ):
            raise SessionEnded
        if self._counts[caller.id] >= self._limits.connections_per_caller:
            raise TooManyStreams(
                f"You have {self._counts[caller.id]} open streams, and no more are allowed. "
                "Close one, or share a socket."
            )
        self._counts[caller.id] += 1
        if caller.session_id is not None:
            self._of_session.setdefault(caller.session_id, set()).add(connection)

    def _leave(self, connection: Connection, caller: Caller) -> None:
        self._counts[caller.id] -= 1
        if not self._counts[caller.id]:
            del self._counts[caller.id]
        if caller.session_id is not None:
            self._of_session[caller.session_id].discard(connection)
            if not self._of_session[caller.session_id]:
                del self._of_session[caller.session_id]

    def sessions(self) -> Collection[str]:
        """Return the sessions with a connection, including sockets without an operation."""
        return self._of_session.keys()

    def end_sessions(self, session_ids: Collection[str]) -> None:
        """End the connections of these sessions: when this returns, no event can be sent."""
        for session_id in session_ids:
            for connection in list(self._of_session.get(session_id, ())):
                connection.end(SessionEnded())

    def close(self) -> None:
        """End all connections and refuse new ones, because the process stops."""
        self._is_closed = True
        for connection in list(self._open):
            connection.end(Restarting())
