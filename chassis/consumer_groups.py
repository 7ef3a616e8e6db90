"""The consumer groups of a Redis stream: which exist, and when each was last seen alive.

A hash beside each stream holds the time at which a consumer of a group was last seen, in seconds of
the clock of Redis. With it a producer distinguishes an abandoned group from one that it does not
know yet because the release that declares the group is being rolled out. See docs/adr/0003.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

# Fields that begin with @ are not groups: the times of the first and of the last review.
_ANNOUNCE = "redis.call('HSET', KEYS[1], ARGV[1], redis.call('TIME')[1])"

_REVIEW = """
local stream, seen = KEYS[1], KEYS[2]
local now = tonumber(redis.call('TIME')[1])
local declared = {}
for i = 3, #ARGV do declared[ARGV[i]] = true end
redis.call('HSETNX', seen, '@since', now)
local last = tonumber(redis.call('HGET', seen, '@reviewed') or 0)
redis.call('HSET', seen, '@reviewed', now)
local undeclared, destroyed = {}, {}
if redis.call('EXISTS', stream) == 1 then
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
        local name = group[2]
        if not declared[name] then
            local at = tonumber(redis.call('HGET', seen, name))
            if not at or now - last > 60 then
                redis.call('HSET', seen, name, now)
                table.insert(undeclared, name)
            elseif now - at > tonumber(ARGV[1]) then
                redis.call('XGROUP', 'DESTROY', stream, name)
                table.insert(destroyed, name)
            else
                table.insert(undeclared, name)
            end
        end
    end
end
local settled = now - tonumber(redis.call('HGET', seen, '@since')) >= tonumber(ARGV[2])
return {settled and 1 or 0, undeclared, destroyed}
"""

_log = structlog.get_logger("chassis.consumer_groups")


def registry(stream: str) -> str:
    """Return the key of the hash with the times at which the groups of a stream were last seen."""
    return f"consumers:{stream}"


async def announce(redis: Redis, stream: str, group: str) -> None:
    """Record that the group is alive now."""
    await redis.eval(_ANNOUNCE, 1, registry(stream), group)


async def join(
    redis: Redis, stream: str, group: str, missed: Callable[[], Awaitable[None]]
) -> bool:
    """Create the group if it is missing; it starts at the first entry that the stream still has.

    Returns whether the group was created. `missed` is called before a group is created that has
    existed before: entries that it never read may have been removed.
    """
    created = False
    if not await _exists(redis, stream, group):
        if await redis.hexists(registry(stream), group):
            await missed()
        try:
            await redis.xgroup_create(stream, group, id="0", mkstream=True)
            created = True
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
    await announce(redis, stream, group)
    return created


async def _exists(redis: Redis, stream: str, group: str) -> bool:
    if not await redis.exists(stream):
        return False
    groups: Any = await redis.xinfo_groups(stream)
    return any(each["name"] == group for each in groups)


@dataclass(frozen=True, slots=True)
class Review:
    """The result of a review of the groups."""

    settled: bool
    """False shortly after Redis has lost its data: not all consumers may have joined again."""
    undeclared: Collection[str]
    """Groups that exist, were seen recently and are not declared to this process."""


class GroupReview:
    """Reviews the groups of a stream and destroys abandoned ones."""

    def __init__(
        self,
        redis: Redis,
        stream: str,
        declared: Collection[str],
        *,
        unseen: float,
        settle: float,
    ) -> None:
        """`unseen`: seconds without a heartbeat after which an undeclared group is destroyed. Time
        without reviews does not count.

        `settle`: seconds after the first review of an empty Redis until it counts as settled.
        """
        self._redis = redis
        self._stream = stream
        self._declared = declared
        self._unseen = unseen
        self._settle = settle
        self._known: frozenset[str] = frozenset()

    async def __call__(self) -> Review:
        answer: Any = await self._redis.eval(
            _REVIEW,
            2,
            self._stream,
            registry(self._stream),
            self._unseen,
            self._settle,
            *self._declared,
        )
        settled, undeclared, destroyed = answer
        for group in destroyed:
            _log.warning(
                "undeclared consumer group destroyed",
                stream=self._stream,
                group=group,
                unseen_seconds=self._unseen,
            )
        for group in frozenset(undeclared) - self._known:
            _log.info("undeclared consumer group found", stream=self._stream, group=group)
        self._known = frozenset(undeclared)
        return Review(bool(settled), self._known)
