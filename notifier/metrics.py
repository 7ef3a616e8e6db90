"""The notifier's own metrics: results of mails, and delays."""

from collections.abc import Callable
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis.metrics import Metrics
from notifier.domain import Outcome, State
from notifier.ports import UnitOfWork


def count_mails(registry: CollectorRegistry) -> Callable[[Outcome], None]:
    """Return the callback that records each outcome."""
    mails = Counter(
        "chirp_mails_total",
        "Attempts at mails by result. Failed ones are retried, waiting ones once the address is "
        "verified.",
        ("result",),
        registry=registry,
    )
    results = (State.SENT, State.FAILED, State.DEAD, State.CANCELLED, State.WAITING)
    count = {state: mails.labels(state).inc for state in results}
    return lambda outcome: count[outcome.state]()


def watch_deliveries(metrics: Metrics, unit_of_work: UnitOfWork) -> None:
    """Measure at each scrape for how long mails have been due or without a known address."""
    overdue = Gauge(
        "chirp_mail_overdue_seconds",
        "Seconds since the oldest unsent mail became due.",
        registry=metrics.registry,
    )
    waiting = Gauge(
        "chirp_mail_without_address_seconds",
        "Age in seconds of the oldest mail whose recipient's registration has not arrived.",
        registry=metrics.registry,
    )

    async def measure() -> None:
        overdue.set(_age(await unit_of_work.read(lambda r: r.deliveries.next_due())))
        waiting.set(_age(await unit_of_work.read(lambda r: r.deliveries.waiting_since())))

    metrics.sample(measure)


def _age(time: datetime | None) -> float:
    return max(0.0, (datetime.now(UTC) - time).total_seconds()) if time else 0.0
