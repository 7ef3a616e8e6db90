"""Acknowledged broadcast: publishing returns once every live subscriber has read the entry.

An entry of a Redis stream holds ids. A subscriber publishes its position in the stream with a
lease. A publisher writes an entry and waits until every subscriber that has a lease has read the
entry, or until a lease taken before the entry was written has run out (docs/adr/0006). For ids that
the stream may lack, a subscriber reconciles with another source: after every gap, and every second
for ids that could not be published.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import uuid4

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chassis.background import Backoff, running

LEASE = 1.5
"""Seconds for which a subscriber may trust what it has read."""

RECONCILE_EVERY = 1.0
"""Seconds between reconciliations, for ids that could not be published."""

RETENTION = 3600.0
"""Seconds for which an entry stays in the stream."""

_POSITION_LIFETIME = 2.0  # seconds, longer than the lease that the position stands for
_BLOCK = 0.5  # seconds for which one read waits for entries
_BATCH = 1000
_RETRY = 0.2
_POLL = 0.002

# Both scripts use the clock of Redis, so the clocks of the processes do not matter.
_REGISTER = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSETNX', KEYS[1], 'since', now)
redis.call('HSET', KEYS[1], ARGV[1], (now + ARGV[2]) .. ' ' .. ARGV[3])
return redis.call('HGET', KEYS[1], 'since')
"""
_POSITIONS = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local since, positions = false, {}
local entries = redis.call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
    if entries[i] == 'since' then
        since = entries[i + 1]
    else
        local expires, position = string.match(entries[i + 1], '^(%d+) (.+)$')
        if tonumber(expires) < now then
            redis.call('HDEL', KEYS[1], entries[i])
        else
            positions[#positions + 1] = position
        end
    end
end
return {tostring(now), since, positions}
"""

_log = structlog.get_logger("chassis.broadcast")


class _ReconciliationFailedError(Exception):
    """The other source of ids could not be read."""


def subscribers_key(stream: str) -> str:
    """Return the key of the hash with each subscriber's position and the end of its lease.

    Its field `since` is the time at which the hash was created.
    """
    return f"{stream}.readers"


class Subscriber:
    """Follows a stream of ids and remembers them for a while."""

    def __init__(
        self,
        redis: Redis,
        stream: str,
        *,
        reconcile: Callable[[], Awaitable[Collection[str]]],
        remember_for: float,
        on_received: Callable[[Collection[str]], None] = lambda _: None,
        reconcile_every: float = RECONCILE_EVERY,
    ) -> None:
        """`redis` must not retry by itself: a lost connection is a gap.

        `reconcile` returns the ids that another source has and the stream may lack.

        `remember_for` and `reconcile_every` are seconds.

        `on_received` is called with new ids before this process acknowledges them. It may be called
        with the same ids again.
        """
        self._redis = redis
        self._stream = stream
        self._reconcile = reconcile
        self._remember_for = remember_for
        self._on_received = on_received
        self._reconcile_every = reconcile_every
        self._forget_at: dict[str, float] = {}
        self._current_until = 0.0
        self._renewed = asyncio.Event()
        self._id = uuid4().hex
        self._following = Backoff("follow stream", longest=_RETRY, stream=stream)
        self._reconciling = Backoff("reconcile", longest=reconcile_every, stream=stream)

    @property
    def is_current(self) -> bool:
        """Whether `has_ended` is complete at this moment."""
        return monotonic() < self._current_until

    async def current(self) -> None:
        """Return as soon as `is_current` is true."""
        while not self.is_current:
            self._renewed.clear()
            await self._renewed.wait()

    def has_ended(self, id_: str) -> bool:
        """Return whether the id was received in the last `remember_for` seconds."""
        return id_ in self._forget_at

    def remember(self, ids: Collection[str]) -> None:
        """Receive ids: from the stream, from a reconciliation, or published by this process."""
        forget_at = monotonic() + self._remember_for
        for id_ in ids:
            self._forget_at[id_] = forget_at
        if ids:
            self._on_received(ids)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow the stream while the block runs; retry after every outage of Redis."""
        try:
            outages = (RedisError, OSError, _ReconciliationFailedError)
            subscribed = self._following.retry_forever(self._subscribe, outages)
            async with running(subscribed, self._keep_reconciling()):
                yield
        finally:
            await self._leave()

    async def _subscribe(self) -> None:
        try:
            await self._follow()
        finally:
            # Redis may come back with less than it had.
            self._current_until = 0.0

    async def _leave(self) -> None:
        """Deregister this process, so that publishers do not wait for it."""
        self._current_until = 0.0
        try:
            await self._redis.hdel(subscribers_key(self._stream), self._id)
        except (RedisError, OSError) as error:
            # The lease runs out by itself.
            _log.info("subscriber not deregistered", stream=self._stream, reason=repr(error))

    async def _follow(self) -> None:
        """Return when Redis has lost its data: entries may have been lost with it."""
        since = await self._redis.hget(subscribers_key(self._stream), "since")
        try:
            await self._receive_missing()
        except Exception as error:
            raise _ReconciliationFailedError(repr(error)) from error
        # From the start of the stream: the source may not know yet what the stream already holds.
        position = "0-0"
        while True:
            asked = monotonic()
            known_since, answer = await self._read(position)
            if since not in {None, known_since}:
                return
            since = known_since
            read = 0
            for _, entries in answer:
                read = len(entries)
                for entry_id, fields in entries:
                    self.remember(fields["ids"].split())
                    position = entry_id
            if read < _BATCH:
                self._current_until = asked + LEASE
                self._renewed.set()
                self._following.reset()

    async def _read(self, position: str) -> tuple[str, Any]:
        """Register the position of this process, then read the entries after it.

        Returns the creation time of the registry and the entries. An entry that is written after
        the registration is either in the answer, or its publisher finds this process registered.
        One round trip, because the event loop of a busy process comes back late.
        """
        lease = int(_POSITION_LIFETIME * 1000)
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.eval(_REGISTER, 1, subscribers_key(self._stream), self._id, lease, position)
            pipeline.xread({self._stream: position}, count=_BATCH, block=int(_BLOCK * 1000))
            since, answer = await pipeline.execute()
        return str(since), answer

    async def _receive_missing(self) -> None:
        self.remember(await self._reconcile())
        now = monotonic()
        for id_ in [i for i, forget_at in self._forget_at.items() if forget_at < now]:
            del self._forget_at[id_]

    async def _keep_reconciling(self) -> None:
        """Reconcile regularly, beside reading the stream, which must not wait for it.

        An outage is waited out: the stream alone is complete while publishers reach Redis.
        """
        await self._reconciling.repeat(self._receive_missing, self._reconcile_every)


@dataclass(frozen=True, slots=True)
class _Positions:
    """The positions of the registered subscribers at one moment. Times are those of Redis, in
    milliseconds."""

    now: int
    since: int | None
    positions: Sequence[str]

    def have_read(self, entry_id: str) -> bool:
        """Return whether every subscriber with a lease has read the entry.

        A registry that is younger than a lease may lack a subscriber that still has one.
        """
        complete = self.since is not None and self.now - self.since > LEASE * 1000
        wanted = _ordered(entry_id)
        return complete and all(_ordered(position) >= wanted for position in self.positions)

    def may_have_lost(self, entry_id: str) -> bool:
        """Return whether the registry is newer than the entry: Redis lost its data in between."""
        return self.since is not None and self.since > _ordered(entry_id)[0]


class Publisher:
    """Publishes ids, and returns once every live subscriber has received them.

    Ids that arrive while a publication is running are published together after it.
    """

    def __init__(
        self, redis: Redis, stream: str, *, reconcile_every: float = RECONCILE_EVERY
    ) -> None:
        """`reconcile_every`: seconds within which every subscriber reconciles anyway."""
        self._redis = redis
        self._stream = stream
        # Without Redis, wait until every subscriber has reconciled. A subscriber may ask a process
        # that has yet to reconcile itself, hence twice; the lease is the time limit of its request.
        self._patience = 2 * reconcile_every + LEASE
        self._waiting: list[str] = []
        self._publishing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def publish(self, ids: Collection[str]) -> None:
        if not ids:
            return
        self._waiting += ids
        # The fact has happened: a caller that disconnects must not cancel its publication.
        task = asyncio.create_task(self._publish_waiting())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    async def _publish_waiting(self) -> None:
        async with self._publishing:
            ids, self._waiting = self._waiting, []
            if ids:
                await self._publish(ids)

    async def _publish(self, ids: list[str]) -> None:
        give_up = monotonic() + self._patience
        while True:
            try:
                await self._publish_and_wait(ids)
            except (RedisError, OSError) as error:
                if monotonic() > give_up:
                    _log.warning("publication failed", stream=self._stream, reason=repr(error))
                    return
                await asyncio.sleep(_RETRY)
            else:
                return

    async def _publish_and_wait(self, ids: list[str]) -> None:
        entry_id = await self._add(ids)
        # A subscriber that has not read the entry by then renewed its lease before it was written.
        leases_end = monotonic() + LEASE
        while not (positions := await self._positions()).have_read(entry_id):
            if positions.may_have_lost(entry_id):
                entry_id = await self._add(ids)
                leases_end = monotonic() + LEASE
            if monotonic() > leases_end:
                return
            await asyncio.sleep(_POLL)

    async def _add(self, ids: list[str]) -> str:
        seconds, _ = await self._redis.time()
        entry_id = await self._redis.xadd(
            self._stream,
            {"ids": " ".join(ids)},
            minid=str(int((seconds - RETENTION) * 1000)),
            approximate=True,
        )
        return str(entry_id)

    async def _positions(self) -> _Positions:
        key = subscribers_key(self._stream)
        now, since, positions = await self._redis.eval(_POSITIONS, 1, key)
        return _Positions(int(now), int(since) if since else None, positions)


def _ordered(entry_id: str) -> tuple[int, int]:
    """Return an entry id in a form that compares like the entries."""
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)
