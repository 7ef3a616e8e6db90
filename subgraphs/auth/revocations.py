"""Tells every process at once that a session has ended, and knows when it may have missed that.

Each process follows the Redis stream `auth.revocations` and publishes how far it has read, on a
lease. Whoever ends a session writes to the stream and waits until every process with a lease has
read that entry; a process without a current lease asks the database about every token. So once
`signOut` has answered, no process accepts the session's tokens, whatever has failed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chassis.background import running

STREAM = "auth.revocations"
READERS = "auth.revocations.readers"

LEASE = 1.5
"""Seconds for which a process trusts what it has read."""

_PUBLISHED = 2.0  # seconds: a position outlives the lease it stands for
_BLOCK = 0.5  # seconds that one read waits for news
_KEPT = 3600.0  # seconds that an entry stays in the stream
_RETRY = 0.5
_POLL = 0.002

_log = structlog.get_logger("auth.revocations")


class RevocationFeed:
    """The sessions that have ended while tokens of theirs may be about, as far as known here."""

    def __init__(
        self,
        redis: Redis,
        load: Callable[[], Awaitable[Sequence[UUID]]],
        *,
        token_lifetime: float,
        reconcile_every: float = 5.0,
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
            async with running(self._run()):
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
            await asyncio.sleep(_RETRY)

    async def _leave(self) -> None:
        """Takes this process off the list of those that are waited for."""
        self._current_until = 0.0
        try:
            await self._redis.delete(_position_key(self._id))
            await self._redis.srem(READERS, self._id)
        except (RedisError, OSError) as error:
            _log.info("left without saying so", reason=repr(error))

    async def _follow(self) -> None:
        newest: Any = await self._redis.xrevrange(STREAM, count=1)
        position: str = newest[0][0] if newest else "0-0"
        # Whatever ends from here on comes after `position`, or is in the database already.
        await self._reconcile()
        reconciled = monotonic()
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
            if monotonic() - reconciled > self._reconcile_every:
                await self._reconcile_if_possible()
                reconciled = monotonic()

    async def _publish(self, position: str) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.sadd(READERS, self._id)
            pipeline.set(_position_key(self._id), position, px=int(_PUBLISHED * 1000))
            await pipeline.execute()

    async def _reconcile(self) -> None:
        self.remember([str(session_id) for session_id in await self._load()])
        now = monotonic()
        for session_id in [s for s, forget_at in self._ended.items() if forget_at < now]:
            del self._ended[session_id]

    async def _reconcile_if_possible(self) -> None:
        try:
            await self._reconcile()
        except Exception:
            # The stream alone is enough while every process that ends sessions reaches Redis.
            _log.warning("ended sessions could not be read again", exc_info=True)


class RedisRevocationAnnouncer:
    """Ends sessions everywhere before it returns."""

    def __init__(self, redis: Redis, feed: RevocationFeed) -> None:
        self._redis = redis
        self._feed = feed

    async def announce(self, session_ids: Sequence[UUID]) -> None:
        if session_ids:
            # The sessions have ended in the database: a client that hangs up must not stop this.
            work = asyncio.ensure_future(self._announce([str(s) for s in session_ids]))
            await asyncio.shield(work)

    async def _announce(self, session_ids: list[str]) -> None:
        self._feed.remember(session_ids)
        started = monotonic()
        try:
            entry_id = await self._publish(session_ids)
            while behind := await self._readers_behind(entry_id):
                if monotonic() - started > LEASE:
                    _log.warning("processes were left behind by a revocation", processes=behind)
                    break
                await asyncio.sleep(_POLL)
        except (RedisError, OSError) as error:
            _log.warning("a revocation could not be published", reason=repr(error))
            # Without Redis no process can renew its lease: then all of them ask the database.
            await asyncio.sleep(max(0.0, started + LEASE - monotonic()))

    async def _publish(self, session_ids: list[str]) -> str:
        seconds, _ = await self._redis.time()
        entry_id = await self._redis.xadd(
            STREAM,
            {"sessions": " ".join(session_ids)},
            minid=str(int((seconds - _KEPT) * 1000)),
            approximate=True,
        )
        return str(entry_id)

    async def _readers_behind(self, entry_id: str) -> int:
        readers = [str(reader) for reader in await self._redis.smembers(READERS)]
        if not readers:
            return 0
        positions = await self._redis.mget([_position_key(reader) for reader in readers])
        gone = [r for r, position in zip(readers, positions, strict=True) if position is None]
        if gone:
            await self._redis.srem(READERS, *gone)
        wanted = _ordered(entry_id)
        return sum(_ordered(str(p)) < wanted for p in positions if p is not None)


def _position_key(reader: str) -> str:
    return f"{READERS}.{reader}"


def _ordered(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)
