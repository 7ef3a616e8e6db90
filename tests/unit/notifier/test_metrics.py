"""How late mails are, as Prometheus is told."""

from datetime import UTC, datetime

import pytest

from chassis.metrics import Metrics
from notifier.metrics import watch_deliveries
from tests.unit.notifier.fakes import ADA, GRACE, MINUTE, FakeNotifier

OVERDUE, WITHOUT_ADDRESS = "chirp_mail_overdue_seconds", "chirp_mail_without_address_seconds"


class TestAge:
    async def told(self, notifier: FakeNotifier) -> dict[str, float | None]:
        metrics = Metrics()
        watch_deliveries(metrics, notifier.unit_of_work)
        await metrics.text()
        names = (OVERDUE, WITHOUT_ADDRESS)
        return {name: metrics.registry.get_sample_value(name) for name in names}

    async def test_nothing_waits(self) -> None:
        assert await self.told(FakeNotifier()) == {OVERDUE: 0, WITHOUT_ADDRESS: 0}

    async def test_a_mail_waits_to_be_sent(self) -> None:
        notifier = an_hour_ago()
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        expected = {OVERDUE: pytest.approx(3600, abs=60), WITHOUT_ADDRESS: 0}
        assert await self.told(notifier) == expected

    async def test_a_mail_waits_for_its_address(self) -> None:
        notifier = an_hour_ago()
        await notifier.retweeted(GRACE)
        expected = {OVERDUE: 0, WITHOUT_ADDRESS: pytest.approx(3600, abs=60)}
        assert await self.told(notifier) == expected


def an_hour_ago() -> FakeNotifier:
    notifier = FakeNotifier()
    notifier.clock.now = datetime.now(UTC) - 60 * MINUTE
    return notifier
