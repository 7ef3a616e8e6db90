"""When a failed mail is retried."""

from datetime import timedelta

import pytest

from notifier.domain import RetryPolicy

POLICY = RetryPolicy(attempts=10, base=timedelta(seconds=30), cap=timedelta(hours=1))


class TestRetryPolicy:
    @pytest.mark.parametrize(
        ("attempt", "longest"), [(1, 30), (2, 60), (3, 120), (8, 3600), (1_000_000, 3600)]
    )
    def test_wait_doubles_up_to_the_cap(self, attempt: int, longest: int) -> None:
        assert POLICY.delay(attempt, 1.0) == timedelta(seconds=longest)

    def test_chance_reduces_the_wait_by_up_to_half(self) -> None:
        assert POLICY.delay(1, 0.0) == timedelta(seconds=15)
        assert POLICY.delay(1, 0.5) == timedelta(seconds=22.5)
