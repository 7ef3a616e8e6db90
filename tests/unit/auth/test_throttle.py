"""Limits of attempts: in the fake, and in one process whose Redis is away."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from structlog.testing import capture_logs

from subgraphs.auth.errors import TooManyAttempts
from subgraphs.auth.limits import Budget, network_of
from subgraphs.auth.throttle import LocalBudgets, RedisThrottle
from subgraphs.auth.types.errors import TooManyAttemptsError
from tests.unit.auth.fakes import FakeClock, FakeThrottle
from tests.unit.auth.throttle_suite import ADA, HOUR, NETWORK, Take, Throttled

SECRET = "a secret of thirty-two characters"


class TestFakeThrottle(Take):
    @pytest.fixture
    def throttled(self) -> Throttled:
        clock = FakeClock()

        async def wait(time: timedelta) -> None:
            clock.now += time

        return Throttled(FakeThrottle(clock), wait)

    async def test_counted_attempts_are_kept(self) -> None:
        throttle = FakeThrottle(FakeClock())
        throttled = Throttled(throttle, _sleep)
        await throttled.accepted(ADA, NETWORK)
        assert throttle.taken == [ADA, NETWORK] * 3


async def _sleep(time: timedelta) -> None:
    await asyncio.sleep(time.total_seconds())


class TestThrottleWithoutRedis(Take):
    @pytest.fixture
    async def throttled(self) -> AsyncIterator[Throttled]:
        refused: list[str] = []
        # Nothing listens on this port.
        async with Redis.from_url("redis://127.0.0.1:1/0") as redis:
            throttle = RedisThrottle(redis, SECRET, record=refused.append)
            yield Throttled(throttle, _sleep, refused)

    async def test_outage_is_logged_once(self, throttled: Throttled) -> None:
        assert isinstance(throttled.throttle, RedisThrottle)
        with capture_logs() as logs:
            async with throttled.throttle.running():
                for _ in range(3):
                    await throttled.accepted(ADA)
                    await asyncio.sleep(0.1)
        assert [(log["event"], log["work"]) for log in logs] == [
            ("outage started", "limit attempts")
        ]


class TestLocalBudgets:
    @given(
        limit=st.integers(1, 7),
        period=st.integers(1, 1_000),
        pauses=st.lists(st.integers(0, 400), max_size=60),
    )
    def test_no_window_has_more_attempts_than_the_limit_and_the_refill(
        self, limit: int, period: int, pauses: list[int]
    ) -> None:
        now = 0
        budgets = LocalBudgets(10, now=lambda: now)
        budget = Budget("kind:ada", limit, timedelta(microseconds=period))
        accepted = []
        for pause in pauses:
            now += pause
            if not any(budgets.take({"ada": budget})):
                accepted.append(now)
        for first, start in enumerate(accepted):
            for last, end in enumerate(accepted[first:], first):
                assert last - first + 1 <= limit + (end - start) * limit / period

    @given(limit=st.integers(1, 7), period=st.integers(7, 1_000), pause=st.integers(0, 3_000))
    def test_attempts_that_are_due_are_accepted(self, limit: int, period: int, pause: int) -> None:
        now = 0
        budgets = LocalBudgets(10, now=lambda: now)
        budget = Budget("kind:ada", limit, timedelta(microseconds=period))
        attempts = {"ada": budget}
        while not any(budgets.take(attempts)):
            pass
        now += pause
        refilled = min(limit, pause * limit // (period + limit))
        for _ in range(refilled):
            assert not any(budgets.take(attempts))

    def test_number_of_budgets_is_bounded(self) -> None:
        budgets = LocalBudgets(1_000, now=lambda: 0)
        for number in range(10_000):
            budgets.take({str(number): ADA})
            assert len(budgets) <= 1_000

    def test_used_up_budget_outlives_any_number_of_new_ones(self) -> None:
        budgets = LocalBudgets(100, now=lambda: 0)
        for _ in range(3):
            assert budgets.take({"ada": ADA}) == [0]
        day = Budget("kind:grace", limit=3, period=timedelta(days=1))
        for number in range(10_000):
            budgets.take({str(number): day})
        assert budgets.take({"ada": ADA}) == [1_200_000_000]

    def test_full_budgets_are_forgotten_first(self) -> None:
        now = 0
        budgets = LocalBudgets(4, now=lambda: now)
        for name in "abcd":
            budgets.take({name: ADA})
        now = HOUR // timedelta(microseconds=1)
        budgets.take({"e": ADA})
        assert len(budgets) == 1

    def test_memory_is_at_most_four_megabytes(self) -> None:
        most = 10_000
        budgets = LocalBudgets(most, now=lambda: 10**15)
        tracemalloc.start()
        for number in range(most):
            budgets.take({f"throttle:{number:032}": ADA})
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(budgets) == most
        assert size <= 4_000_000


class TestBudget:
    def test_kind_is_the_part_before_the_colon(self) -> None:
        assert ADA.kind == "reset.address"

    def test_repr_does_not_contain_the_key(self) -> None:
        assert "ada" not in repr(ADA)

    @pytest.mark.parametrize(("limit", "period"), [(0, HOUR), (1, timedelta())])
    def test_budget_that_admits_nothing_is_refused(self, limit: int, period: timedelta) -> None:
        with pytest.raises(ValueError, match="positive"):
            Budget("kind:ada", limit, period)


class TestNetworkOf:
    @pytest.mark.parametrize(
        ("address", "network"),
        [
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::1", "::/64"),
            ("", "unknown"),
            ("ada", "unknown"),
            ("192.0.2.7:80", "unknown"),
            ("192.0.2.7, 192.0.2.8", "unknown"),
        ],
    )
    def test_network_of_an_address(self, address: str, network: str) -> None:
        assert network_of(address) == network


class TestTooManyAttemptsError:
    @pytest.mark.parametrize(
        ("wait", "seconds", "words"),
        [
            (timedelta(microseconds=1), 1, "1 second"),
            (timedelta(seconds=1.2), 2, "2 seconds"),
            (timedelta(seconds=59.5), 60, "1 minute"),
            (timedelta(seconds=61), 61, "2 minutes"),
            (timedelta(hours=1), 3600, "60 minutes"),
        ],
    )
    def test_time_is_rounded_up(self, wait: timedelta, seconds: int, words: str) -> None:
        error = TooManyAttemptsError.after(TooManyAttempts(wait).seconds)
        assert error.retry_after == seconds
        assert error.message == f"Too many attempts. Try again in {words}."
