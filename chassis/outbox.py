"""The transactional outbox: an event is written in the transaction of its change, then published.

An event stays in the table until every consumer group has acknowledged it. If Redis loses its data,
the event is published again. An event without consumers is removed once it is published. The relay
chooses the id of each stream entry and stores it in the row. Redis refuses an id that is not
greater than the stream's last id, so nothing is published twice or out of order. Events whose id
is greater than that last id are still to be published. See docs/adr/0003.
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
"""The statements of a migration that creates the outbox of a service.

`entry` is the id of the stream entry in microseconds: 1795362305176042 is 1795362305176-42.
"""

_BATCH = 500
_POLL = 1.0  # seconds between looks for events of crashed replicas, and between prunings

_log = structlog.get_logger("chassis.outbox")


async def add_to_outbox(connection: Connection, event: Event) -> None:
    """Write the event in the caller's transaction.

    Events of one subject are published in order if every transaction locks the subject before it
    changes it: then a later change gets its position after the earlier one has been committed.
    """
    if trace := traceparent():
        event = replace(event, traceparent=trace)
    await connection.execute(
        "INSERT INTO outbox (event) VALUES (:event)", {"event": event.to_json()}
    )


@dataclass(slots=True)
class SqlEventOutbox:
    """The outbox of one transaction (port EventOutbox). `written` is true once it has an event."""

    _connection: Connection
    written: bool = False

    async def add(self, event: Event) -> None:
        await add_to_outbox(self._connection, event)
        self.written = True


@dataclass(frozen=True, slots=True)
class _Acknowledged:
    """All groups have acknowledged the entries below `until`; `behind` is the slowest group."""

    until: int
    behind: str | None
    """None if there is no group, or while Redis does not know all groups yet."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The size of an outbox, and the lag of each consumer group in events."""

    events: int
    unpublished: int
    oldest_unpublished: float
    """Seconds since the oldest unpublished event was written; 0 if there is none."""
    lags: Mapping[str, int]
    undeclared: Collection[str]
    """The groups in `lags` that no service declares."""


class OutboxRelay:
    """Publishes the events in the outbox of a service to its stream; every replica runs one."""

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
        """`groups` are the declared consumer groups. An event is removed when all of them have
        acknowledged it, whether Redis knows them or not, and all other groups that Redis has.

        `limit`: the largest number of entries in the stream. Further events wait in the outbox.

        `keep`: seconds for which an acknowledged entry stays in the stream while there is room, for
        readers without a group.

        `unseen`: seconds without a heartbeat after which an undeclared group is destroyed.

        `settle`: seconds for which nothing is removed after Redis has lost its data, so that
        undeclared groups can join again.
        """
        self._database = database
        self._redis = redis
        self.stream = stream
        self._groups = groups
        self._review = GroupReview(redis, stream, groups, unseen=unseen, settle=settle)
        self._limit = limit
        self._keep = int(keep * 1_000_000)
        self._woken = asyncio.Event()
        self._publishing = Backoff("publish events", stream=stream)
        self._is_full = False
        self._last_known = 0

    def wake(self) -> None:
        """Publish without delay. Call it after the commit of a transaction that wrote an event."""
        self._woken.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Publish while the block runs; retry after every outage of Redis or the database."""
        async with running(self._publishing.retry_forever(self._relay, INFRASTRUCTURE)):
            yield

    async def backlog(self) -> Backlog:
        """Return the current backlog. During an outage of Redis, `lags` is empty."""
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
        """Return the number of unacknowledged entries of each group, existing or declared."""
        lags = dict.fromkeys(self._groups, length)
        if await self._redis.exists(self.stream):
            groups: Any = await self._redis.xinfo_groups(self.stream)
            for group in groups:
                # Redis does not always know the lag; the length of the stream is its upper bound.
                unread = length if group["lag"] is None else group["lag"]
                lags[group["name"]] = unread + group["pending"]
        return lags

    async def _relay(self) -> None:
        pruned = float("-inf")
        while True:
            self._woken.clear()
            if await self._database.read(_is_filled):
                while await self._database.transaction(self._number):
                    if not await self._database.transaction(self._publish):
                        break
                if monotonic() - pruned > _POLL:
                    await self._database.transaction(self._prune)
                    pruned = monotonic()
            self._publishing.reset()
            try:
                async with asyncio.timeout(_POLL):
                    await self._woken.wait()
            except TimeoutError:
                # Look for events of a replica that died between its commit and its `wake`.
                continue

    async def _lock(self, connection: Connection) -> None:
        """Let one replica work at a time; what follows sees what the others committed."""
        await connection.fetch_val(
            "SELECT pg_advisory_xact_lock(hashtextextended(:stream, 0))", {"stream": self.stream}
        )

    async def _number(self, connection: Connection) -> bool:
        """Assign the ids of the next entries. Returns whether there is anything to publish.

        Committed before the entries are published, so that an event keeps its id in each retry.
        """
        await self._lock(connection)
        last, _ = await self._state()
        waiting = "SELECT EXISTS (SELECT FROM outbox WHERE entry > :last)"
        if await connection.fetch_val(waiting, {"last": last}):
            return True
        # Greater than the stream's last id even if a clock was set back, and greater than all ids
        # of the outbox even if Redis has lost its data.
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
        """Publish the next events. Returns False if the stream is full."""
        await self._lock(connection)
        last, length = await self._state()
        if length >= self._limit:
            acknowledged = await self._trim()
            last, length = await self._state()
            if length >= self._limit:
                self._record_full(acknowledged.behind)
                return False
        self._record_room()
        rows = await connection.fetch_all(
            "SELECT entry, event FROM outbox WHERE entry > :last ORDER BY entry LIMIT :room",
            {"last": last, "room": min(_BATCH, self._limit - length)},
        )
        # All or nothing: if an entry before a published one were missing, it would seem published.
        with _published(self.stream, rows):
            await self._send(rows)
        return True

    async def _send(self, rows: Sequence[Row]) -> None:
        async with self._redis.pipeline(transaction=True) as pipeline:
            for row in rows:
                pipeline.xadd(self.stream, {FIELD: row["event"]}, id=_id(row["entry"]))
            await pipeline.execute()

    async def _prune(self, connection: Connection) -> None:
        """Remove the events that every group has acknowledged from the stream and the outbox."""
        await self._lock(connection)
        acknowledged = await self._trim(self._keep)
        await connection.execute(
            "DELETE FROM outbox WHERE entry < :until", {"until": acknowledged.until}
        )

    async def _state(self) -> tuple[int, int]:
        """Return the last id that the stream has had, and the number of its entries."""
        if not await self._redis.exists(self.stream):
            return 0, 0
        stream: Any = await self._redis.xinfo_stream(self.stream)
        return _entry(stream["last-generated-id"]), stream["length"]

    async def _trim(self, keep: int = 0) -> _Acknowledged:
        """Remove acknowledged entries that are `keep` microseconds older than the newest entry."""
        if not (await self._review()).settled:
            return _Acknowledged(0, None)
        acknowledged = await self._acknowledged()
        if acknowledged.until:
            last, _ = await self._state()
            until = max(0, min(acknowledged.until, last + 1 - keep))
            await self._redis.xtrim(self.stream, minid=_id(until), approximate=False)
        return acknowledged

    async def _acknowledged(self) -> _Acknowledged:
        last, _ = await self._state()
        if not last:
            return _Acknowledged(0, None)
        groups: Any = await self._redis.xinfo_groups(self.stream)
        until = dict.fromkeys(self._groups, 0)
        for group in groups:
            # XPENDING after XINFO: an entry delivered in between must not count as acknowledged.
            pending: Any = await self._redis.xpending(self.stream, group["name"])
            until[group["name"]] = _entry(pending["min"] or group["last-delivered-id"])
            if not pending["min"]:
                until[group["name"]] += 1
        if not until:
            # No groups: keep nothing, because a group created later backfills what it missed.
            return _Acknowledged(last + 1, None)
        behind = min(until, key=lambda name: until[name])
        return _Acknowledged(until[behind], behind)

    def _record_full(self, behind: str | None) -> None:
        if not self._is_full:
            _log.warning(
                "stream full",
                stream=self.stream,
                waiting_for_group=behind,
                declared=behind in self._groups,
            )
        self._is_full = True

    def _record_room(self) -> None:
        if self._is_full:
            _log.info("stream has room", stream=self.stream)
        self._is_full = False


@contextmanager
def _published(stream: str, rows: Sequence[Row]) -> Iterator[None]:
    """Add a span for the publication to the trace of each event."""
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
