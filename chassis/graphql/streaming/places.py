"""How much a person may hold open in this process, and letting all of it go when it stops."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from chassis.errors import ClientError, Restarting, StreamEnded
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


class Place:
    """One open socket or stream. `ended` is set when the process wants it to end."""

    def __init__(self, places: "Places") -> None:
        self._places = places
        self.owner: UUID | None = None
        self.ended: asyncio.Future[StreamEnded] = asyncio.get_running_loop().create_future()

    def take(self, user_id: UUID) -> None:
        """Counts it among this person's. Raises TooManyStreams."""
        self._places.count(user_id)
        self.owner = user_id


class Places:
    """All open sockets and streams of this process."""

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._open: set[Place] = set()
        self._counts: Counter[UUID] = Counter()
        self._closing = False

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def open(self) -> Iterator[Place]:
        """A place while the block runs. Raises Restarting when no more are given."""
        if self._closing:
            raise Restarting
        place = Place(self)
        self._open.add(place)
        try:
            yield place
        finally:
            self._open.discard(place)
            place.ended.cancel()
            if place.owner is not None:
                self._counts[place.owner] -= 1
                if not self._counts[place.owner]:
                    del self._counts[place.owner]

    def count(self, user_id: UUID) -> None:
        if self._counts[user_id] >= self._limits.streams_per_user:
            raise TooManyStreams
        self._counts[user_id] += 1

    async def close_on(self, shutdown: Shutdown) -> None:
        """Waits for the process to let go of its connections, and then ends all of these."""
        await shutdown.begun()
        self._closing = True
        for place in list(self._open):
            if not place.ended.done():
                place.ended.set_result(Restarting())
