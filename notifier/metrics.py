"""What the notifier measures of its own: what becomes of mails."""

from collections.abc import Callable
from datetime import UTC, datetime

from prometheus_client import Counter, Gauge

from chassis.metrics import Metrics
from notifier.domain import Outcome, State
from notifier.ports import UnitOfWork


def count_mails(metrics: Metrics) -> Callable[[Outcome], None]:
    """Gives what the sender tells each outcome."""
    mails = Counter(
        "chirp_mails_total",
        "Attempts at mails by what they came to; `failed` ones are tried again.",
        ("result",),
        registry=metrics.registry,
    )
    ends = (State.SENT, State.FAILED, State.DEAD, State.CANCELLED)
    count = {state: mails.labels(state).inc for state in ends}
    return lambda outcome: count[outcome.state]()


def watch_deliveries(metrics: Metrics, unit_of_work: UnitOfWork) -> None:
    overdue = Gauge(
        "chirp_mail_overdue_seconds",
        "For how long the mail that waits longest has been due.",
        registry=metrics.registry,
    )
    waiting = Gauge(
        "chirp_mail_without_address_seconds",
        "For how long a mail has waited for the registration that tells where it goes.",
        registry=metrics.registry,
    )

    async def take() -> None:
        overdue.set(_age(await unit_of_work.read(lambda r: r.deliveries.next_due())))
        waiting.set(_age(await unit_of_work.read(lambda r: r.deliveries.waiting_since())))

    metrics.sample(take)


def _age(time: datetime | None) -> float:
    return max(0.0, (datetime.now(UTC) - time).total_seconds()) if time else 0.0
