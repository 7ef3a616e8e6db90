"""Tells every process at once that a session has ended, and knows when it may have missed that.

Each process follows the Redis stream `auth.revocations` and publishes how far it has read, on a
lease. Whoever ends a session writes to the stream and waits until every process with a lease has
read that entry, or could not have kept its lease without reading it. A process without a current
lease asks the database about every token. So once `signOut` has answered, no process accepts the
session's tokens (docs/adr/0006).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chassis.background import running

STREAM = "auth.revocations"
READERS = "auth.revocations.readers"
"""A hash: `since` when the list is kept, and each reader's lease and position."""

LEASE = 1.5
"""Seconds for which a process trusts what it has read."""

RECONCILE = 2.0
"""Seconds between looks into the database, for news that was never published."""

_PUBLISHED = 2.0  # seconds: a position outlives the lease it stands for
_BLOCK = 0.5  # seconds that one read waits for news
_KEPT = 3600.0  # seconds that an entry stays in the stream
_RETRY = 0.2
_POLL = 0.002

# Both in Redis's own time, so that nobody's clock matters.
_REGISTER = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSETNX', KEYS[1], 'since', now)
redis.call('HSET', KEYS[1], ARGV[1], (now + ARGV[2]) .. ' ' .. ARGV[3])
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

_log = structlog.get_logger("auth.revocations")


class RevocationFeed:
    """The sessions that have ended while tokens of theirs may be about, as far as known here."""

    def __init__(
        self,
        redis: Redis,
        load: Callable[[], Awaitable[Sequence[UUID]]],
        *,
        token_lifetime: float,
        reconcile_every: float = RECONCILE,
    ) -> None:
        """`load` gives the sessions that ended in the last `token_lifetime` seconds.

        It is called again every so many seconds, for news that was never published.
        """
        self._redis = redis
        self._load = load
        self._token_lifetime = token_lifetime
        self._reconcile_every = reconcile_every
        self._ended: dict[str, float] = {}
        self._current_until = 0.0
        self._id = uuid4().hex

    @property
    def is_current(self) -> bool:
        """Whether `has_ended` can be believed at this moment."""
        return monotonic() < self._current_until

    def has_ended(self, session_id: str) -> bool:
        return session_id in self._ended

    def remember(self, session_ids: Sequence[str]) -> None:
        forget_at = monotonic() + self._token_lifetime
        for session_id in session_ids:
            self._ended[session_id] = forget_at

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follows the stream while the block runs, whatever becomes of Redis."""
        try:
            async with running(self._run()), running(self._keep_reconciling()):
                yield
        finally:
            await self._leave()

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except (RedisError, OSError) as error:
                _log.warning("revocations cannot be followed", reason=repr(error))
            except Exception:
                _log.exception("revocations cannot be followed")
            # Redis may come back with less than it had.
            self._current_until = 0.0
            await asyncio.sleep(_RETRY)

    async def _leave(self) -> None:
        """Takes this process off the list of those that are waited for."""
        self._current_until = 0.0
        try:
            await self._redis.hdel(READERS, self._id)
        except (RedisError, OSError) as error:
            _log.info("left without saying so", reason=repr(error))

    async def _follow(self) -> None:
        newest: Any = await self._redis.xrevrange(STREAM, count=1)
        position: str = newest[0][0] if newest else "0-0"
        # Whatever ends from here on comes after `position`, or is in the database already.
        await self._reconcile()
        while True:
            asked = monotonic()
            # Published before the read: an entry written from now on either is in the answer or
            # finds this process among those to wait for.
            await self._publish(position)
            answer: Any = await self._redis.xread(
                {STREAM: position}, count=1000, block=int(_BLOCK * 1000)
            )
            for _, entries in answer:
                for entry_id, fields in entries:
                    self.remember(fields["sessions"].split())
                    position = entry_id
            self._current_until = asked + LEASE

    async def _publish(self, position: str) -> None:
        lease = int(_PUBLISHED * 1000)
        await self._redis.eval(_REGISTER, 1, READERS, self._id, lease, position)

    async def _reconcile(self) -> None:
        self.remember([str(session_id) for session_id in await self._load()])
        now = monotonic()
        for session_id in [s for s, forget_at in self._ended.items() if forget_at < now]:
            del self._ended[session_id]

    async def _keep_reconciling(self) -> None:
        """Beside the reading, which must not wait for the database."""
        while True:
            await asyncio.sleep(self._reconcile_every)
            try:
                await self._reconcile()
            except Exception as error:
                # The stream alone is enough while whoever ends sessions reaches Redis.
                _log.warning("ended sessions could not be read again", reason=repr(error))


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


class RedisRevocationAnnouncer:
    """Ends sessions everywhere before it returns.

    What comes while an announcement is under way goes together in the next one.
    """

    def __init__(
        self, redis: Redis, feed: RevocationFeed, *, reconcile_every: float = RECONCILE
    ) -> None:
        """`reconcile_every`: seconds within which every process looks into the database anyway."""
        self._redis = redis
        self._feed = feed
        self._reconcile_every = reconcile_every
        self._waiting: list[str] = []
        self._announcing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def announce(self, session_ids: Sequence[UUID]) -> None:
        if not session_ids:
            return
        self._waiting += map(str, session_ids)
        # The sessions have ended in the database: a client that hangs up must not stop this.
        task = asyncio.create_task(self._announce_waiting())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    async def _announce_waiting(self) -> None:
        async with self._announcing:
            session_ids, self._waiting = self._waiting, []
            if session_ids:
                await self._announce(session_ids)

    async def _announce(self, session_ids: list[str]) -> None:
        self._feed.remember(session_ids)
        # Without Redis it takes until the others have looked into the database by themselves.
        give_up = monotonic() + self._reconcile_every + LEASE
        while True:
            try:
                await self._tell_all(session_ids)
            except (RedisError, OSError) as error:
                if monotonic() > give_up:
                    _log.warning("a revocation could not be published", reason=repr(error))
                    return
                await asyncio.sleep(_RETRY)
            else:
                return

    async def _tell_all(self, session_ids: list[str]) -> None:
        entry_id = await self._publish(session_ids)
        # Whoever has not read the entry by then read last before it was written.
        leases_end = monotonic() + LEASE
        while not (readers := await self._readers()).have_read(entry_id):
            if readers.may_have_lost(entry_id):
                entry_id = await self._publish(session_ids)
                leases_end = monotonic() + LEASE
            if monotonic() > leases_end:
                return
            await asyncio.sleep(_POLL)

    async def _publish(self, session_ids: list[str]) -> str:
        seconds, _ = await self._redis.time()
        entry_id = await self._redis.xadd(
            STREAM,
            {"sessions": " ".join(session_ids)},
            minid=str(int((seconds - _KEPT) * 1000)),
            approximate=True,
        )
        return str(entry_id)

    async def _readers(self) -> _Readers:
        now, since, positions = await self._redis.eval(_READERS, 1, READERS)
        return _Readers(int(now), int(since) if since else None, positions)


def _ordered(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)
