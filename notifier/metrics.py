"""What the notifier measures of its own: what becomes of mails."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from prometheus_client import Counter, Gauge

from chassis.metrics import Metrics
from notifier.domain import Outcome, State


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


def watch_deliveries(metrics: Metrics, next_due: Callable[[], Awaitable[datetime | None]]) -> None:
    overdue = Gauge(
        "chirp_mail_overdue_seconds",
        "For how long the mail that waits longest has been due.",
        registry=metrics.registry,
    )

    async def take() -> None:
        due = await next_due()
        overdue.set(max(0.0, (datetime.now(UTC) - due).total_seconds()) if due else 0.0)

    metrics.sample(take)
