"""The metrics of overdue and waiting mails."""

from datetime import UTC, datetime

import pytest

from chassis.metrics import Metrics
from notifier.domain import Outcome, State
from notifier.metrics import count_mails, watch_deliveries
from tests.unit.notifier.fakes import ADA, GRACE, MINUTE, FakeNotifier

OVERDUE, WITHOUT_ADDRESS = "chirp_mail_overdue_seconds", "chirp_mail_without_address_seconds"


class TestCountMails:
    def test_each_result_is_counted(self) -> None:
        metrics = Metrics()
        record = count_mails(metrics.registry)
        now = datetime.now(UTC)
        for state in (State.SENT, State.SENT, State.DEAD):
            record(Outcome(ADA.id, 1, state, now, now))

        def count(state: State) -> float | None:
            return metrics.registry.get_sample_value("chirp_mails_total", {"result": state})

        assert (count(State.SENT), count(State.DEAD), count(State.FAILED)) == (2, 1, 0)


class TestWatchDeliveries:
    async def measured(self, notifier: FakeNotifier) -> dict[str, float | None]:
        metrics = Metrics()
        watch_deliveries(metrics, notifier.unit_of_work)
        await metrics.text()
        names = (OVERDUE, WITHOUT_ADDRESS)
        return {name: metrics.registry.get_sample_value(name) for name in names}

    async def test_age_is_zero_without_mails(self) -> None:
        assert await self.measured(FakeNotifier()) == {OVERDUE: 0, WITHOUT_ADDRESS: 0}

    async def test_unsent_mail_is_overdue(self) -> None:
        notifier = an_hour_ago()
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        expected = {OVERDUE: pytest.approx(3600, abs=60), WITHOUT_ADDRESS: 0}
        assert await self.measured(notifier) == expected

    async def test_waiting_mail_has_no_address(self) -> None:
        notifier = an_hour_ago()
        await notifier.retweeted(GRACE)
        expected = {OVERDUE: 0, WITHOUT_ADDRESS: pytest.approx(3600, abs=60)}
        assert await self.measured(notifier) == expected


def an_hour_ago() -> FakeNotifier:
    notifier = FakeNotifier()
    notifier.clock.now = datetime.now(UTC) - 60 * MINUTE
    return notifier
