"""Limits attempts: in Valkey for all processes together, in this process while Valkey is away.

The algorithm is GCRA. It stores one number for each budget: the time at which the budget will be
full again. An attempt moves that time forward by period / limit, and is refused if it would then
lie more than a whole period ahead. See docs/adr/0021.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from heapq import nlargest
from time import monotonic_ns
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from chassis.background import Backoff, running
from subgraphs.auth.errors import TooManyAttempts
from subgraphs.auth.limits import Budget

_PATIENCE = 0.5  # seconds for which an attempt waits for Redis
_MOST_LOCAL_BUDGETS = 10_000
"""Budgets that one process remembers while Redis is away: at most 4 MB."""

# Times are whole microseconds: Lua's numbers keep them exact until the year 2255.
_CLOCK = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
"""
_TAKE = """
local full_at, waits, refused = {}, {}, false
for i, key in ipairs(KEYS) do
    local cost, period = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    -- More than a period ahead is possible only after the clock was set back.
    local stored = math.min(tonumber(redis.call('GET', key) or 0), now + period)
    full_at[i] = math.max(stored, now) + cost
    waits[i] = math.max(0, full_at[i] - now - period)
    refused = refused or waits[i] > 0
end
if not refused then
    for i, key in ipairs(KEYS) do
        local lifetime = math.ceil((full_at[i] - now) / 1000)
        redis.call('SET', key, string.format('%.0f', full_at[i]), 'PX', lifetime)
    end
end
return waits
"""
"""Takes keys, and for each the cost of an attempt and the period. Returns the time for which each
budget lacks an attempt; all are 0 if the attempt was counted."""

_PROBE = Budget("probe", limit=1_000, period=timedelta(seconds=1))


class RedisThrottle:
    """Implements the port Throttle with budgets that all processes share.

    While Redis is away each process has budgets of its own, which start full.
    """

    def __init__(
        self, redis: Redis, secret: str, *, record: Callable[[str], None] = lambda _: None
    ) -> None:
        """The keys in Redis are digests of budgets with a key derived from `secret`.

        `record` is called with the kind of each budget that refuses an attempt.
        """
        self._take = redis.register_script(_CLOCK + _TAKE)
        self._secret = hmac.digest(secret.encode(), b"throttle", "sha256")
        self._record = record
        self._local = LocalBudgets(_MOST_LOCAL_BUDGETS, now=lambda: monotonic_ns() // 1_000)
        self._away = asyncio.Event()
        self._backoff = Backoff("limit attempts")

    async def take(self, *budgets: Budget) -> None:
        named = {self._name(budget): budget for budget in budgets}
        waits = await self._waits(named)
        refused = [budget.kind for budget, wait in zip(named.values(), waits, strict=True) if wait]
        for kind in refused:
            self._record(kind)
        if refused:
            raise TooManyAttempts(timedelta(microseconds=max(waits)), refused)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Return to Redis after each outage, inside the block."""
        async with running(self._follow_outages()):
            yield

    def _name(self, budget: Budget) -> str:
        """Return a name that reveals nothing, and is another one when the limit is changed."""
        text = f"{budget.limit} {budget.period} {budget.key}"
        # A key may contain text of a client, and JSON admits lone surrogates.
        digest = hmac.digest(self._secret, text.encode(errors="surrogatepass"), "sha256")
        return f"throttle:{digest[:16].hex()}"

    async def _waits(self, budgets: Mapping[str, Budget]) -> Sequence[int]:
        if not self._away.is_set():
            try:
                return await self._waits_in_redis(budgets)
            except (RedisError, OSError):  # a TimeoutError is an OSError
                self._away.set()
        return self._local.take(budgets)

    async def _waits_in_redis(self, budgets: Mapping[str, Budget]) -> Sequence[int]:
        args = [number for budget in budgets.values() for number in _cost_and_period(budget)]
        async with asyncio.timeout(_PATIENCE):
            waits: Any = await self._take(keys=[*budgets], args=args)
        return [int(wait) for wait in waits]

    async def _follow_outages(self) -> None:
        while True:
            await self._away.wait()
            # Writes: Redis may answer and yet refuse that, because it is full or a replica.
            await self._backoff.until_success(
                lambda: self._waits_in_redis({"throttle:probe": _PROBE}), (RedisError, OSError)
            )
            self._away.clear()


class LocalBudgets:
    """Budgets in the memory of this process, with the algorithm of the script."""

    def __init__(self, most: int, *, now: Callable[[], int]) -> None:
        """`most` is the number of budgets that are kept; `now` returns microseconds."""
        self._most = most
        self._now = now
        self._used: dict[str, tuple[int, int]] = {}
        """When each budget is full again, and its period."""

    def __len__(self) -> int:
        return len(self._used)

    def take(self, budgets: Mapping[str, Budget]) -> Sequence[int]:
        """Count an attempt in every budget, by its name, or in none.

        Returns the microseconds for which each lacks an attempt, as the script does.
        """
        now = self._now()
        used, waits = {}, []
        for name, budget in budgets.items():
            cost, period = _cost_and_period(budget)
            stored, _ = self._used.get(name, (0, 0))
            full_at = max(stored, now) + cost
            used[name] = full_at, period
            waits.append(max(0, full_at - now - period))
        if not any(waits):
            self._used |= used
            if len(self._used) > self._most:
                self._forget(now)
        return waits

    def _forget(self, now: int) -> None:
        """Forget the less used half of the budgets, full ones in any case.

        So new budgets, however many, do not displace one that is used up.
        """
        shares = [
            ((full_at - now) / period, name)
            for name, (full_at, period) in self._used.items()
            if full_at > now
        ]
        self._used = {name: self._used[name] for _, name in nlargest(self._most // 2, shares)}


def _cost_and_period(budget: Budget) -> tuple[int, int]:
    """Return the microseconds that one attempt and that `limit` attempts take to be refilled."""
    cost = -(-budget.period // (timedelta(microseconds=1) * budget.limit))
    return cost, cost * budget.limit
