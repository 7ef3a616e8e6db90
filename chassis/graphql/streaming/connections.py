"""The open sockets and streams of a process: their limits, and how they are ended."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chassis.errors import ClientError, Restarting, StreamEnded, StreamSessionEnded
from chassis.principal import Principal
from chassis.shutdown import Shutdown


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Limits of sockets and streams; times are in seconds."""

    streams_per_user: int = 20
    """Sockets and HTTP streams of one user in one process."""
    operations_per_socket: int = 20
    init_seconds: float = 3
    """The time limit for the `connection_init` of a socket."""
    idle_seconds: float = 60
    """How long a socket stays open without an operation."""
    send_seconds: float = 10
    """How long a message may wait for a client that does not read."""
    heartbeat_seconds: float = 5
    """Between heartbeats of an HTTP stream, as Apollo's protocol requires."""


class TooManyStreams(ClientError):
    """The user has too many connections, or the socket too many operations."""

    code = "TOO_MANY_REQUESTS"
    default = "You have too many open streams. Close one, or share a socket."


class Connection:
    """An open socket or stream."""

    def __init__(self, connections: "Connections") -> None:
        self._connections = connections
        self.principal: Principal | None = None
        self.ended: asyncio.Future[StreamEnded] = asyncio.get_running_loop().create_future()
        self.stop: Callable[[], object] = lambda: None
        """Cancels everything that may send. Called once `ended` has its reason."""

    def assign(self, principal: Principal) -> None:
        """Count the connection as one of this user. Raises TooManyStreams."""
        self._connections.count(self, principal)
        self.principal = principal

    def end(self, reason: StreamEnded) -> None:
        """End the connection: from now on only the reason can be sent."""
        if not self.ended.done():
            self.ended.set_result(reason)
            self.stop()


class Connections:
    """The open sockets and streams of this process."""

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._open: set[Connection] = set()
        self._counts: Counter[object] = Counter()
        self._of_session: dict[str, set[Connection]] = {}
        self._closing = False

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def open(self) -> Iterator[Connection]:
        """Register a connection while the block runs. Raises Restarting during a shutdown."""
        if self._closing:
            raise Restarting
        connection = Connection(self)
        self._open.add(connection)
        try:
            yield connection
        finally:
            self._open.discard(connection)
            connection.ended.cancel()
            if connection.principal is not None:
                self._leave(connection, connection.principal)

    def count(self, connection: Connection, principal: Principal) -> None:
        if self._counts[principal.user_id] >= self._limits.streams_per_user:
            raise TooManyStreams
        self._counts[principal.user_id] += 1
        self._of_session.setdefault(str(principal.session_id), set()).add(connection)

    def _leave(self, connection: Connection, principal: Principal) -> None:
        self._counts[principal.user_id] -= 1
        if not self._counts[principal.user_id]:
            del self._counts[principal.user_id]
        session_id = str(principal.session_id)
        self._of_session[session_id].discard(connection)
        if not self._of_session[session_id]:
            del self._of_session[session_id]

    def sessions(self) -> Collection[str]:
        """Return the sessions with a connection, including sockets without an operation."""
        return self._of_session.keys()

    def end_sessions(self, session_ids: Collection[str]) -> None:
        """End the connections of these sessions: from now on only the reason can be sent."""
        for session_id in session_ids:
            for connection in list(self._of_session.get(session_id, ())):
                connection.end(StreamSessionEnded())

    async def close_on(self, shutdown: Shutdown) -> None:
        """Wait until `shutdown` begins, then end all connections and refuse new ones."""
        await shutdown.begun()
        self._closing = True
        for connection in list(self._open):
            connection.end(Restarting())
