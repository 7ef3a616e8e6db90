"""The transactional outbox: events are written with the change they tell of, then published.

An event waits in the table until every consumer group has acknowledged it, so Redis may lose what
it holds: it is published again. One that has no consumer is removed at once. What keeps this simple
is that the entry's id is chosen here and kept in the row. Redis refuses an id that is not above its
last one, so nothing is published twice or out of order, and its last id says how far the stream has
got. See docs/adr/0003.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chassis.background import Backoff, running
from chassis.consumer_groups import GroupReview
from chassis.database import Connection, Database, Row
from chassis.events import Event
from chassis.streams import FIELD, INFRASTRUCTURE
from chassis.tracing import is_on, span, traceparent

SCHEMA = (
    """
    CREATE TABLE outbox (
        position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        entry bigint
    )
    """,
    "CREATE INDEX outbox_unnumbered ON outbox (position) WHERE entry IS NULL",
    "CREATE UNIQUE INDEX outbox_entry ON outbox (entry)",
)
"""The statements of a migration that gives a service its outbox.

`entry` is the id of the stream's entry in microseconds: 1795362305176042 is 1795362305176-42.
"""

_BATCH = 500
_POLL = 1.0  # seconds until events are found that nobody announced, and acknowledged ones forgotten

_log = structlog.get_logger("chassis.outbox")


async def add_to_outbox(connection: Connection, event: Event) -> None:
    """Writes the event in the caller's transaction.

    Events of one subject are published in order if whoever changes a subject locks it first: then
    the later change takes its position after the earlier one has been committed.
    """
    if trace := traceparent():
        event = replace(event, traceparent=trace)
    await connection.execute(
        "INSERT INTO outbox (event) VALUES (:event)", {"event": event.to_json()}
    )


@dataclass(slots=True)
class SqlEventOutbox:
    """The outbox as one transaction sees it."""

    _connection: Connection
    written: bool = False

    async def add(self, event: Event) -> None:
        await add_to_outbox(self._connection, event)
        self.written = True


@dataclass(frozen=True, slots=True)
class _Acknowledged:
    """All groups have acknowledged the entries below `until`; `behind` names the slowest group."""

    until: int
    behind: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """What an outbox holds, what of it is not published, and `lags`: events by consumer group."""

    events: int
    unpublished: int
    oldest_unpublished: float
    """Seconds since the oldest unpublished event was written; 0 if there is none."""
    lags: Mapping[str, int]
    undeclared: Collection[str]
    """The consumer groups among them that no service declares."""


class OutboxRelay:
    """Publishes what is in a service's outbox to its stream; every replica runs one."""

    def __init__(
        self,
        database: Database,
        redis: Redis,
        stream: str,
        *,
        groups: Collection[str],
        limit: int = 10_000,
        keep: float = 0.0,
        unseen: float = 24 * 60 * 60,
        settle: float = 10.0,
    ) -> None:
        """`groups` are the declared consumers. They have to acknowledge an event before it is
        removed, whether Redis knows them or not, and so has every other group that Redis has.

        `limit`: entries that the stream holds at most. Beyond it events wait in the outbox.

        `keep`: seconds for which an entry stays in the stream after every group has it, while there
        is room: for readers without a group.

        `unseen`: seconds after which an undeclared group without a sign of life is destroyed.

        `settle`: seconds for which nothing is removed after Redis came up empty, so that the
        undeclared groups that were there can return.
        """
        self._database = database
        self._redis = redis
        self.stream = stream
        self._groups = groups
        self._review = GroupReview(redis, stream, groups, unseen=unseen, settle=settle)
        self._limit = limit
        self._keep = int(keep * 1_000_000)
        self._wanted = asyncio.Event()
        self._outage = Backoff("publish events", stream=stream)
        self._full = False
        self._last_known = 0

    def wake(self) -> None:
        """Publish without delay. Call it after the commit of a transaction that wrote an event."""
        self._wanted.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Publishes while the block runs, whatever becomes of Redis and the database."""
        async with running(self._outage.retry_forever(self._relay, INFRASTRUCTURE)):
            yield

    async def backlog(self) -> Backlog:
        """Return how far consumers are behind, by what Redis last said while it is away."""
        try:
            last, length = await self._state()
            self._last_known = last
            lags = await self._lags(length)
        except (RedisError, OSError):
            last, lags = self._last_known, {}
        row = await self._database.read(
            lambda connection: connection.fetch_one(
                """
                SELECT count(*) AS events, count(*) FILTER (WHERE unpublished) AS unpublished,
                    coalesce(extract(epoch FROM clock_timestamp() -
                        min(created_at) FILTER (WHERE unpublished)), 0) AS age
                FROM outbox, LATERAL (SELECT entry IS NULL OR entry > :last AS unpublished) AS u
                """,
                {"last": last},
            )
        )
        assert row is not None  # noqa: S101  (an aggregate has a row)
        undeclared = lags.keys() - set(self._groups)
        return Backlog(row["events"], row["unpublished"], float(row["age"]), lags, undeclared)

    async def _lags(self, length: int) -> dict[str, int]:
        """Return the entries that each group, existing or declared, has not acknowledged."""
        lags = dict.fromkeys(self._groups, length)
        if await self._redis.exists(self.stream):
            groups: Any = await self._redis.xinfo_groups(self.stream)
            for group in groups:
                # Redis cannot always tell; the stream's length is the most that it can be.
                unread = length if group["lag"] is None else group["lag"]
                lags[group["name"]] = unread + group["pending"]
        return lags

    async def _relay(self) -> None:
        forgotten = float("-inf")
        while True:
            self._wanted.clear()
            if await self._database.read(_is_filled):
                while await self._database.transaction(self._number):
                    if not await self._database.transaction(self._publish):
                        break
                if monotonic() - forgotten > _POLL:
                    await self._database.transaction(self._forget)
                    forgotten = monotonic()
            self._outage.reset()
            try:
                async with asyncio.timeout(_POLL):
                    await self._wanted.wait()
            except TimeoutError:
                # Another replica's, which died between its commit and its wake-up call.
                continue

    async def _lock(self, connection: Connection) -> None:
        """One replica at a time; the statements that follow see what the one before has done."""
        await connection.fetch_val(
            "SELECT pg_advisory_xact_lock(hashtextextended(:stream, 0))", {"stream": self.stream}
        )

    async def _number(self, connection: Connection) -> bool:
        """Gives the next events their ids. False if there is nothing to publish.

        Committed before any of them is published: an id belongs to one event for ever.
        """
        await self._lock(connection)
        last, _ = await self._state()
        waiting = "SELECT EXISTS (SELECT FROM outbox WHERE entry > :last)"
        if await connection.fetch_val(waiting, {"last": last}):
            return True
        # Above what the stream has even if a clock was set back, above what Redis has forgotten
        # even if it came back empty.
        numbered = await connection.fetch_val(
            """
            WITH next AS (
                SELECT position, row_number() OVER (ORDER BY position) AS n FROM outbox
                WHERE entry IS NULL ORDER BY position LIMIT :batch
            ), top AS (
                SELECT greatest(
                    :last, max(entry),
                    CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)
                ) AS entry FROM outbox
            ), numbered AS (
                UPDATE outbox SET entry = top.entry + next.n FROM next, top
                WHERE outbox.position = next.position RETURNING 1
            )
            SELECT count(*) FROM numbered
            """,
            {"batch": _BATCH, "last": last},
        )
        return bool(numbered)

    async def _publish(self, connection: Connection) -> bool:
        """Publishes the next events. False if the stream is full."""
        await self._lock(connection)
        last, length = await self._state()
        if length >= self._limit:
            acknowledged = await self._trim()
            last, length = await self._state()
            if length >= self._limit:
                self._tell_full(acknowledged.behind)
                return False
        self._tell_room()
        rows = await connection.fetch_all(
            "SELECT entry, event FROM outbox WHERE entry > :last ORDER BY entry LIMIT :room",
            {"last": last, "room": min(_BATCH, self._limit - length)},
        )
        # All or nothing: an entry that came without the one before it would hide that one.
        with _published(self.stream, rows):
            await self._send(rows)
        return True

    async def _send(self, rows: Sequence[Row]) -> None:
        async with self._redis.pipeline(transaction=True) as pipeline:
            for row in rows:
                pipeline.xadd(self.stream, {FIELD: row["event"]}, id=_id(row["entry"]))
            await pipeline.execute()

    async def _forget(self, connection: Connection) -> None:
        """Removes what every group has acknowledged, from the stream and from the outbox."""
        await self._lock(connection)
        acknowledged = await self._trim(self._keep)
        await connection.execute(
            "DELETE FROM outbox WHERE entry < :until", {"until": acknowledged.until}
        )

    async def _state(self) -> tuple[int, int]:
        """The last id that the stream has given, and the number of its entries."""
        if not await self._redis.exists(self.stream):
            return 0, 0
        stream: Any = await self._redis.xinfo_stream(self.stream)
        return _entry(stream["last-generated-id"]), stream["length"]

    async def _trim(self, keep: int = 0) -> _Acknowledged:
        """Remove what is acknowledged and `keep` microseconds older than the newest entry."""
        if not (await self._review()).settled:
            return _Acknowledged(0, "consumers that may return")
        acknowledged = await self._acknowledged()
        if acknowledged.until:
            last, _ = await self._state()
            until = max(0, min(acknowledged.until, last + 1 - keep))
            await self._redis.xtrim(self.stream, minid=_id(until), approximate=False)
        return acknowledged

    async def _acknowledged(self) -> _Acknowledged:
        last, _ = await self._state()
        if not last:
            return _Acknowledged(0, "nobody")
        groups: Any = await self._redis.xinfo_groups(self.stream)
        until = dict.fromkeys(self._groups, 0)
        for group in groups:
            # Asked in this order: what is delivered later does not lessen what is acknowledged.
            pending: Any = await self._redis.xpending(self.stream, group["name"])
            until[group["name"]] = _entry(pending["min"] or group["last-delivered-id"])
            if not pending["min"]:
                until[group["name"]] += 1
        if not until:
            # A group that is created from now on belongs to a consumer that asks for the past.
            return _Acknowledged(last + 1, "nobody")
        behind = min(until, key=lambda name: until[name])
        return _Acknowledged(until[behind], behind)

    def _tell_full(self, behind: str) -> None:
        if not self._full:
            _log.warning(
                "the stream is full, events wait in the outbox",
                stream=self.stream,
                waiting_for_group=behind,
                declared=behind in self._groups,
            )
        self._full = True

    def _tell_room(self) -> None:
        if self._full:
            _log.info("the stream has room again", stream=self.stream)
        self._full = False


@contextmanager
def _published(stream: str, rows: Sequence[Row]) -> Iterator[None]:
    """Shows in the trace of each of these events that it is published."""
    with ExitStack() as spans:
        for row in rows if is_on() else ():
            if parent := Event.from_json(row["event"]).traceparent:
                spans.enter_context(span(f"publish {stream}", "producer", parent=parent))
        yield


async def _is_filled(connection: Connection) -> bool:
    return bool(await connection.fetch_val("SELECT EXISTS (SELECT FROM outbox)"))


def _id(entry: int) -> str:
    return f"{entry // 1000}-{entry % 1000}"


def _entry(entry_id: str) -> int:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds) * 1000 + int(sequence)
