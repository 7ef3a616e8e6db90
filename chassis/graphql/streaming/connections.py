"""How much a person may hold open in this process, and ending it: with its session, or for all."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chassis.errors import ClientError, Restarting, SessionEnded, StreamEnded
from chassis.principal import Principal
from chassis.shutdown import Shutdown


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Seconds, and numbers of things."""

    streams_per_user: int = 20
    """Sockets and HTTP streams together, in one process."""
    operations_per_socket: int = 20
    init_seconds: float = 3
    """Until a socket's `connection_init` has to be there."""
    idle_seconds: float = 60
    """How long a socket stays open on which nothing is subscribed to."""
    send_seconds: float = 10
    """How long one message may wait for a client that does not read."""
    heartbeat_seconds: float = 5
    """Between signs of life on an HTTP stream; Apollo's protocol names this number."""


class TooManyStreams(ClientError):  # noqa: N818
    code = "TOO_MANY_REQUESTS"
    default = "Too many streams are open. Close one, or share a socket."


class Connection:
    """One open socket or stream."""

    def __init__(self, connections: "Connections") -> None:
        self._places = connections
        self.principal: Principal | None = None
        self.ended: asyncio.Future[StreamEnded] = asyncio.get_running_loop().create_future()
        self.stop: Callable[[], object] = lambda: None
        """Cancels what may be about to send something. Called once `ended` has its reason."""

    def take(self, principal: Principal) -> None:
        """Counts it among this person's. Raises TooManyStreams."""
        self._places.seat(self, principal)
        self.principal = principal

    def end(self, reason: StreamEnded) -> None:
        """When this returns, nothing but the reason can be sent any more."""
        if not self.ended.done():
            self.ended.set_result(reason)
            self.stop()


class Connections:
    """All open sockets and streams of this process."""

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
        """A place while the block runs. Raises Restarting when no more are given."""
        if self._closing:
            raise Restarting
        place = Connection(self)
        self._open.add(place)
        try:
            yield place
        finally:
            self._open.discard(place)
            place.ended.cancel()
            if place.principal is not None:
                self._leave(place, place.principal)

    def seat(self, place: Connection, principal: Principal) -> None:
        if self._counts[principal.user_id] >= self._limits.streams_per_user:
            raise TooManyStreams
        self._counts[principal.user_id] += 1
        self._of_session.setdefault(str(principal.session_id), set()).add(place)

    def _leave(self, place: Connection, principal: Principal) -> None:
        self._counts[principal.user_id] -= 1
        if not self._counts[principal.user_id]:
            del self._counts[principal.user_id]
        session_id = str(principal.session_id)
        self._of_session[session_id].discard(place)
        if not self._of_session[session_id]:
            del self._of_session[session_id]

    def sessions(self) -> Collection[str]:
        """Those that have something open, be it a socket on which nothing is subscribed to."""
        return self._of_session.keys()

    def end_sessions(self, session_ids: Collection[str]) -> None:
        """When this returns, nothing can be sent to these sessions any more but that they ended."""
        for session_id in session_ids:
            for place in list(self._of_session.get(session_id, ())):
                place.end(SessionEnded())

    async def close_on(self, shutdown: Shutdown) -> None:
        """Waits for the process to let go of its connections, and then ends all of these."""
        await shutdown.begun()
        self._closing = True
        for place in list(self._open):
            place.end(Restarting())
