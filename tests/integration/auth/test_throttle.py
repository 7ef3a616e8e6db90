"""Limits of attempts in a real Valkey: shared by all processes, exact, private, and without it."""

import asyncio
import re
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from structlog.testing import capture_logs

from subgraphs.auth import throttle as module
from subgraphs.auth.errors import TooManyAttempts
from subgraphs.auth.limits import Budget
from subgraphs.auth.throttle import LocalBudgets, RedisThrottle
from tests.integration.conftest import Server
from tests.unit.auth.throttle_suite import ADA, HOUR, NETWORK, Take, Throttled

SECRET = "a secret of thirty-two characters"


async def _sleep(time: timedelta) -> None:
    await asyncio.sleep(time.total_seconds())


@pytest.fixture
def throttled(redis: Redis) -> Throttled:
    refused: list[str] = []
    return Throttled(RedisThrottle(redis, SECRET, record=refused.append), _sleep, refused)


class TestRedisThrottle(Take):
    async def test_processes_share_a_budget(self, throttled: Throttled, valkey_url: str) -> None:
        async with Redis.from_url(valkey_url, decode_responses=True) as redis:
            other = Throttled(RedisThrottle(redis, SECRET), _sleep)
            assert await other.accepted(ADA, attempts=2) == 2
            assert await throttled.accepted(ADA) == 1
            assert await other.accepted(ADA) == 0

    async def test_script_is_loaded_again_after_valkey_forgot_it(
        self, throttled: Throttled, redis: Redis
    ) -> None:
        assert await throttled.accepted(ADA, attempts=1) == 1
        await redis.script_flush()
        assert await throttled.accepted(ADA) == 2

    async def test_valkey_contains_no_key_of_a_budget(
        self, throttled: Throttled, redis: Redis
    ) -> None:
        await throttled.accepted(ADA, NETWORK)
        keys = await redis.keys("*")
        assert len(keys) == 2
        for key in keys:
            assert re.fullmatch(r"throttle:[0-9a-f]{32}", str(key))
            assert re.fullmatch(r"\d+", str(await redis.get(key)))

    async def test_names_differ_with_the_secret(self, redis: Redis) -> None:
        await RedisThrottle(redis, SECRET).take(ADA)
        await RedisThrottle(redis, SECRET[::-1]).take(ADA)
        assert await redis.dbsize() == 2

    async def test_budget_expires_when_it_is_full(self, throttled: Throttled, redis: Redis) -> None:
        await throttled.throttle.take(ADA)
        (key,) = await redis.keys("*")
        assert 1_190_000 < await redis.pttl(key) <= 1_200_000

    async def test_refused_attempts_store_nothing(self, throttled: Throttled, redis: Redis) -> None:
        await throttled.accepted(NETWORK)
        for number in range(100):
            with pytest.raises(TooManyAttempts):
                await throttled.throttle.take(
                    NETWORK, Budget(f"reset.address:{number}", limit=3, period=HOUR)
                )
        assert await redis.dbsize() == 1

    async def test_clock_that_was_set_back_locks_out_for_one_period_at_most(
        self, throttled: Throttled, redis: Redis
    ) -> None:
        await throttled.throttle.take(ADA)
        (key,) = await redis.keys("*")
        await redis.set(key, str(8 * 10**15))
        with pytest.raises(TooManyAttempts) as refusal:
            await throttled.throttle.take(ADA)
        assert refusal.value.retry_after == timedelta(minutes=20)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 90_000_000),  # microseconds since the step before
        st.sets(st.sampled_from(["a", "b", "c"]), min_size=1),
    ),
    max_size=25,
)


class TestScript:
    @given(
        limits=st.tuples(*[st.integers(1, 5)] * 3),
        periods=st.tuples(*[st.integers(60_000_000, 600_000_000)] * 3),
        steps=STEPS,
    )
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    async def test_script_and_local_budgets_answer_the_same(
        self,
        redis: Redis,
        limits: tuple[int, ...],
        periods: tuple[int, ...],
        steps: list[tuple[int, set[str]]],
    ) -> None:
        """With a clock that the test sets, to the microsecond, for any attempts."""
        await redis.flushall()
        take = redis.register_script("local now = tonumber(ARGV[#ARGV])" + module._TAKE)
        now = 10**15
        local = LocalBudgets(100, now=lambda: now)
        known = {
            name: Budget(name, limit, timedelta(microseconds=period))
            for name, limit, period in zip("abc", limits, periods, strict=True)
        }
        for pause, names in steps:
            now += pause
            budgets = {name: known[name] for name in sorted(names)}
            numbers = [n for budget in budgets.values() for n in module._cost_and_period(budget)]
            answer: Any = await take(keys=[*budgets], args=[*numbers, now])
            assert answer == local.take(budgets)


class TestInterleaving:
    @given(
        limit=st.integers(1, 5),
        period=st.integers(20, 200),
        pauses=st.lists(st.lists(st.integers(0, 20), max_size=12), min_size=1, max_size=5),
    )
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    async def test_no_window_has_more_attempts_than_the_limit_and_the_refill(
        self, valkey_url: str, limit: int, period: int, pauses: list[list[int]]
    ) -> None:
        """Several processes at once, each with the milliseconds between its attempts."""
        budget = Budget(f"kind:{uuid4()}", limit, timedelta(milliseconds=period))
        accepted: list[tuple[float, float]] = []

        async def process(own_pauses: list[int]) -> None:
            async with Redis.from_url(valkey_url, decode_responses=True) as redis:
                throttle = RedisThrottle(redis, SECRET)
                await redis.ping()
                for pause in own_pauses:
                    await asyncio.sleep(pause / 1000)
                    before = monotonic()
                    try:
                        await throttle.take(budget)
                    except TooManyAttempts:
                        continue
                    assert not throttle._away.is_set()
                    accepted.append((before, monotonic()))

        await asyncio.gather(*map(process, pauses))
        assert accepted or not any(pauses)
        # Valkey counted each one at some moment between the two times.
        for start, _ in accepted:
            ends = sorted(after for before, after in accepted if before >= start)
            for number, end in enumerate(ends, 1):
                assert number <= limit + (end - start) * 1000 * limit / period


class TestOutage:
    async def test_process_counts_by_itself_and_returns_to_valkey(self, server: Server) -> None:
        async with Redis.from_url(server.url, decode_responses=True) as redis:
            throttle = RedisThrottle(redis, SECRET)
            throttled = Throttled(throttle, _sleep)
            with capture_logs() as logs:
                async with throttle.running():
                    await throttle.take(ADA)
                    server.kill()
                    assert await throttled.accepted(ADA) == 3
                    assert await throttled.accepted(ADA) == 0
                    await _until_logged(logs, 1)
                    server.start()
                    await _until_logged(logs, 2)
                    # What Valkey counted before is still counted.
                    assert await throttled.accepted(ADA) == 2
        assert [(log["event"], log["work"]) for log in logs] == [
            ("outage started", "limit attempts"),
            ("outage ended", "limit attempts"),
        ]

    async def test_only_the_first_attempt_waits_for_a_valkey_that_hangs(
        self, server: Server
    ) -> None:
        async with Redis.from_url(server.url, decode_responses=True) as redis:
            throttle = RedisThrottle(redis, SECRET)
            async with throttle.running(), Redis.from_url(server.url) as admin:
                await throttle.take(ADA)
                await admin.client_pause(2_000)
                begin = monotonic()
                await throttle.take(NETWORK)
                first = monotonic() - begin
                for _ in range(4):
                    await throttle.take(NETWORK)
                others = monotonic() - begin - first
        assert 0.4 < first < 1
        assert others < 0.1

    async def test_valkey_that_refuses_to_write_is_an_outage(self, server: Server) -> None:
        async with Redis.from_url(server.url, decode_responses=True) as redis:
            throttle = RedisThrottle(redis, SECRET)
            throttled = Throttled(throttle, _sleep)
            with capture_logs() as logs:
                async with throttle.running():
                    await redis.config_set("maxmemory", "1")
                    assert await throttled.accepted(ADA) == 3
                    await _until_logged(logs, 1)
                    await redis.config_set("maxmemory", "0")
                    await _until_logged(logs, 2)
                    assert await throttled.accepted(ADA) == 3
        assert "maxmemory" in logs[0]["reason"]

    async def test_cancelled_attempt_leaves_the_client_usable(self, server: Server) -> None:
        async with Redis.from_url(server.url, decode_responses=True) as redis:
            throttle = RedisThrottle(redis, SECRET)
            many = Budget("kind:ada", limit=1_000, period=HOUR)
            attempts = [asyncio.ensure_future(throttle.take(many)) for _ in range(10)]
            await asyncio.sleep(0.001)
            for attempt in attempts[::2]:
                attempt.cancel()
            await asyncio.gather(*attempts, return_exceptions=True)
            assert await Throttled(throttle, _sleep).accepted(ADA) == 3
            assert not throttle._away.is_set()


async def _until_logged(logs: list[Any], number: int) -> None:
    async with asyncio.timeout(20):
        while len(logs) < number:
            await asyncio.sleep(0.01)
