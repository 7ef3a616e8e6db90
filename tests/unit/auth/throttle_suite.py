"""The behaviour of a Throttle: the same for the fake, for one process alone and for Redis."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from subgraphs.auth.errors import TooManyAttempts
from subgraphs.auth.limits import Budget
from subgraphs.auth.ports import Throttle

HOUR = timedelta(hours=1)
SHORT = timedelta(seconds=0.3)
ADA = Budget("reset.address:ada@example.com", limit=3, period=HOUR)
NETWORK = Budget("reset.network:192.0.2.1", limit=5, period=HOUR)


@dataclass
class Throttled:
    """A throttle, and `wait`, which lets time pass: by a fake clock, or really."""

    throttle: Throttle
    wait: Callable[[timedelta], Awaitable[None]]
    refused: list[str] = field(default_factory=list)
    """The kinds of the budgets that refused an attempt, where the throttle records them."""

    async def accepted(self, *budgets: Budget, attempts: int = 100) -> int:
        """Return how many attempts are accepted before the first that is refused."""
        for done in range(attempts):
            try:
                await self.throttle.take(*budgets)
            except TooManyAttempts:
                return done
        return attempts


class Take:
    async def test_limit_is_accepted_at_once_and_no_more(self, throttled: Throttled) -> None:
        assert await throttled.accepted(ADA) == 3
        assert await throttled.accepted(ADA) == 0

    async def test_refusal_gives_the_time_until_the_next_attempt(
        self, throttled: Throttled
    ) -> None:
        await throttled.accepted(ADA)
        with pytest.raises(TooManyAttempts) as refusal:
            await throttled.throttle.take(ADA)
        assert timedelta(minutes=19) < refusal.value.retry_after <= timedelta(minutes=20)

    async def test_attempt_is_accepted_after_retry_after(self, throttled: Throttled) -> None:
        budget = Budget("kind:ada", limit=1, period=SHORT)
        await throttled.throttle.take(budget)
        with pytest.raises(TooManyAttempts) as refusal:
            await throttled.throttle.take(budget)
        assert timedelta() < refusal.value.retry_after <= SHORT
        await throttled.wait(refusal.value.retry_after)
        await throttled.throttle.take(budget)

    async def test_unused_budget_is_full_after_a_period(self, throttled: Throttled) -> None:
        budget = Budget("kind:ada", limit=2, period=SHORT)
        await throttled.accepted(budget)
        await throttled.wait(SHORT * 4)
        # Filled once, not four times. The next attempt is refilled after half a period.
        assert 2 <= await throttled.accepted(budget, attempts=4) < 4

    async def test_keys_are_independent(self, throttled: Throttled) -> None:
        await throttled.accepted(ADA)
        grace = Budget("reset.address:grace@example.com", limit=3, period=HOUR)
        assert await throttled.accepted(grace) == 3

    async def test_limits_of_one_key_are_independent(self, throttled: Throttled) -> None:
        day = Budget(ADA.key, limit=4, period=timedelta(days=1))
        assert await throttled.accepted(ADA, day) == 3
        assert await throttled.accepted(day) == 1

    async def test_every_budget_is_counted(self, throttled: Throttled) -> None:
        await throttled.throttle.take(ADA, NETWORK)
        assert await throttled.accepted(ADA) == 2
        assert await throttled.accepted(NETWORK) == 4

    async def test_refused_attempt_counts_in_no_budget(self, throttled: Throttled) -> None:
        await throttled.accepted(ADA)
        for budgets in ((ADA, NETWORK), (NETWORK, ADA)):
            with pytest.raises(TooManyAttempts):
                await throttled.throttle.take(*budgets)
        assert await throttled.accepted(NETWORK) == 5

    async def test_retry_after_is_that_of_the_budget_which_takes_longest(
        self, throttled: Throttled
    ) -> None:
        await throttled.accepted(ADA)
        await throttled.accepted(NETWORK)
        for budgets in ((ADA, NETWORK), (NETWORK, ADA)):
            with pytest.raises(TooManyAttempts) as refusal:
                await throttled.throttle.take(*budgets)
            assert refusal.value.retry_after > timedelta(minutes=19)

    async def test_budget_that_is_given_twice_counts_once(self, throttled: Throttled) -> None:
        assert await throttled.accepted(ADA, ADA) == 3

    async def test_key_may_contain_any_text(self, throttled: Throttled) -> None:
        assert await throttled.accepted(Budget("kind:\ud800\0 ada", limit=2, period=HOUR)) == 2

    async def test_no_budget_limits_nothing(self, throttled: Throttled) -> None:
        assert await throttled.accepted() == 100

    async def test_refusals_are_recorded_by_kind(self, throttled: Throttled) -> None:
        await throttled.accepted(ADA, NETWORK)
        assert throttled.refused in ([], ["reset.address"])  # the fake records none
