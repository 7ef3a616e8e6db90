"""Tells every process at once that something is over, and each when it may have missed that.

What is announced is an id. Each process that must know follows a Redis stream and publishes how far
it has read, on a lease. Whoever announces writes to the stream and waits until every process with
a lease has read that entry, or could not have kept its lease without reading it
(docs/adr/0006). What the stream may lack, a process looks up elsewhere: after every gap, and every
second for what was never published.
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
"""Seconds for which a process trusts what it has read."""

LOOK_EVERY = 1.0
"""Seconds between looks elsewhere, for news that was never published."""

KEPT = 3600.0
"""Seconds that an entry stays in the stream."""

_PUBLISHED = 2.0  # seconds: a position outlives the lease it stands for
_BLOCK = 0.5  # seconds that one read waits for news
_BATCH = 1000
_RETRY = 0.2
_POLL = 0.002

# Both in Redis's own time, so that nobody's clock matters.
_REGISTER = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSETNX', KEYS[1], 'since', now)
redis.call('HSET', KEYS[1], ARGV[1], (now + ARGV[2]) .. ' ' .. ARGV[3])
return redis.call('HGET', KEYS[1], 'since')
"""
_READERS = """
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


class _LookFailedError(Exception):
    """What may have been missed cannot be looked up at the moment."""


def readers_of(stream: str) -> str:
    """The hash of a stream's readers: since when it is kept, and each one's lease and position."""
    return f"{stream}.readers"


class Listener:
    """What has been announced in the last while, as far as it is known here."""

    def __init__(
        self,
        redis: Redis,
        stream: str,
        *,
        look: Callable[[], Awaitable[Collection[str]]],
        remembered: float,
        heard: Callable[[Collection[str]], None] = lambda _: None,
        look_every: float = LOOK_EVERY,
    ) -> None:
        """`look` gives what is over and may never have been published.

        `heard` is called with it, perhaps again, before this process says that it has read it.
        Everything is remembered for so many seconds. `redis` must not retry by itself: a
        connection that broke is a gap.
        """
        self._redis = redis
        self._stream = stream
        self._look = look
        self._remembered = remembered
        self._heard = heard
        self._look_every = look_every
        self._forget_at: dict[str, float] = {}
        self._current_until = 0.0
        self._renewed = asyncio.Event()
        self._id = uuid4().hex
        self._following = Backoff("follow stream", longest=_RETRY, stream=stream)
        self._looking = Backoff("reconcile", longest=look_every, stream=stream)

    @property
    def is_current(self) -> bool:
        """Whether `has_heard` can be believed at this moment."""
        return monotonic() < self._current_until

    async def current(self) -> None:
        """Returns as soon as `is_current`."""
        while not self.is_current:
            self._renewed.clear()
            await self._renewed.wait()

    def has_heard(self, subject: str) -> bool:
        return subject in self._forget_at

    def remember(self, subjects: Collection[str]) -> None:
        """Takes in what is over: from the stream, from a look elsewhere, or done here."""
        forget_at = monotonic() + self._remembered
        for subject in subjects:
            self._forget_at[subject] = forget_at
        if subjects:
            self._heard(subjects)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follows the stream while the block runs, whatever becomes of Redis."""
        try:
            away = (RedisError, OSError, _LookFailedError)
            listening = self._following.retry_forever(self._listen, away)
            async with running(listening, self._keep_looking()):
                yield
        finally:
            await self._leave()

    async def _listen(self) -> None:
        try:
            await self._follow()
        finally:
            # Redis may come back with less than it had.
            self._current_until = 0.0

    async def _leave(self) -> None:
        """Takes this process off the list of those that are waited for."""
        self._current_until = 0.0
        try:
            await self._redis.hdel(readers_of(self._stream), self._id)
        except (RedisError, OSError) as error:
            _log.info("left without saying so", stream=self._stream, reason=repr(error))

    async def _follow(self) -> None:
        """Returns when Redis has been emptied: then there may be a gap."""
        since = await self._redis.hget(readers_of(self._stream), "since")
        try:
            await self._look_elsewhere()
        except Exception as error:
            raise _LookFailedError(repr(error)) from error
        # All that the stream still holds: whoever was asked may not have read as far as we.
        position = "0-0"
        while True:
            asked = monotonic()
            kept_since, answer = await self._read(position)
            if since not in {None, kept_since}:
                return
            since = kept_since
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
        """Says how far this process has read, and reads on. Gives since when the list is kept too.

        Said before it reads: an entry written from now on either is in the answer or finds this
        process among those to wait for. In one go, because a busy process has few turns.
        """
        lease = int(_PUBLISHED * 1000)
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.eval(_REGISTER, 1, readers_of(self._stream), self._id, lease, position)
            pipeline.xread({self._stream: position}, count=_BATCH, block=int(_BLOCK * 1000))
            since, answer = await pipeline.execute()
        return str(since), answer

    async def _look_elsewhere(self) -> None:
        self.remember(await self._look())
        now = monotonic()
        for subject in [s for s, forget_at in self._forget_at.items() if forget_at < now]:
            del self._forget_at[subject]

    async def _keep_looking(self) -> None:
        """Beside the reading, which must not wait for it."""
        while True:
            await asyncio.sleep(self._look_every)
            try:
                await self._look_elsewhere()
            except Exception as error:
                # The stream alone is enough while whoever announces reaches Redis.
                await self._looking.wait(error)
            else:
                self._looking.reset()


@dataclass(frozen=True, slots=True)
class _Readers:
    """Who has read how far, at one moment. Times are Redis's, in milliseconds."""

    now: int
    since: int | None
    positions: Sequence[str]

    def have_read(self, entry_id: str) -> bool:
        """Whether every process that trusts its memory has read the entry.

        A list that is younger than a lease may lack somebody who still has one.
        """
        complete = self.since is not None and self.now - self.since > LEASE * 1000
        wanted = _ordered(entry_id)
        return complete and all(_ordered(position) >= wanted for position in self.positions)

    def may_have_lost(self, entry_id: str) -> bool:
        """Whether the list began after the entry: then Redis was emptied in between."""
        return self.since is not None and self.since > _ordered(entry_id)[0]


class Announcer:
    """Has every process know before it returns.

    What comes while an announcement is under way goes together in the next one.
    """

    def __init__(self, redis: Redis, stream: str, *, look_every: float = LOOK_EVERY) -> None:
        """`look_every`: seconds within which every process looks elsewhere anyway."""
        self._redis = redis
        self._stream = stream
        # Without Redis: the last process may ask one that has yet to look for itself. A lease is
        # left for the looking.
        self._patience = 2 * look_every + LEASE
        self._waiting: list[str] = []
        self._announcing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def announce(self, subjects: Collection[str]) -> None:
        if not subjects:
            return
        self._waiting += subjects
        # What is announced has happened: a caller that hangs up must not stop this.
        task = asyncio.create_task(self._announce_waiting())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    async def _announce_waiting(self) -> None:
        async with self._announcing:
            subjects, self._waiting = self._waiting, []
            if subjects:
                await self._announce(subjects)

    async def _announce(self, subjects: list[str]) -> None:
        give_up = monotonic() + self._patience
        while True:
            try:
                await self._tell_all(subjects)
            except (RedisError, OSError) as error:
                if monotonic() > give_up:
                    _log.warning("not published", stream=self._stream, reason=repr(error))
                    return
                await asyncio.sleep(_RETRY)
            else:
                return

    async def _tell_all(self, subjects: list[str]) -> None:
        entry_id = await self._publish(subjects)
        # Whoever has not read the entry by then read last before it was written.
        leases_end = monotonic() + LEASE
        while not (readers := await self._readers()).have_read(entry_id):
            if readers.may_have_lost(entry_id):
                entry_id = await self._publish(subjects)
                leases_end = monotonic() + LEASE
            if monotonic() > leases_end:
                return
            await asyncio.sleep(_POLL)

    async def _publish(self, subjects: list[str]) -> str:
        seconds, _ = await self._redis.time()
        entry_id = await self._redis.xadd(
            self._stream,
            {"ids": " ".join(subjects)},
            minid=str(int((seconds - KEPT) * 1000)),
            approximate=True,
        )
        return str(entry_id)

    async def _readers(self) -> _Readers:
        now, since, positions = await self._redis.eval(_READERS, 1, readers_of(self._stream))
        return _Readers(int(now), int(since) if since else None, positions)


def _ordered(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)
