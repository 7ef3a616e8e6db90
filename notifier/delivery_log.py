"""Writes down what became of deliveries, many at a time when there are many."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from chassis.background import Backoff
from notifier.domain import Outcome, State
from notifier.ports import UnitOfWork

_log = structlog.get_logger("notifier.delivery_log")


class OutcomeRecorder:
    """While one transaction is on its way to the disk, the outcomes for the next one gather."""

    def __init__(
        self, unit_of_work: UnitOfWork, count: Callable[[Outcome], None] = lambda _: None
    ) -> None:
        """`count` is told each outcome that was written down."""
        self._unit_of_work = unit_of_work
        self._count = count
        self._gathered: list[Outcome] = []
        self._next: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._outage = Backoff("recording what became of deliveries")

    async def record(self, outcome: Outcome) -> None:
        """Returns when it is in the database, however long that is away."""
        self._gathered.append(outcome)
        if self._next is None:
            self._next = asyncio.create_task(self._record_gathered())
        await self._next

    async def _record_gathered(self) -> None:
        async with self._one_at_a_time:
            outcomes, self._gathered, self._next = self._gathered, [], None
            while True:
                try:
                    await self._unit_of_work.transaction(lambda r: r.deliveries.record(outcomes))
                except Exception as error:
                    # A mail that is known to be sent must not be sent again for an outage.
                    await self._outage.wait(error)
                else:
                    break
        self._outage.reset()
        _tell(outcomes)
        for outcome in outcomes:
            self._count(outcome)


def _tell(outcomes: Sequence[Outcome]) -> None:
    if sent := [str(o.delivery_id) for o in outcomes if o.state is State.SENT]:
        _log.info("mails were sent", deliveries=sent)
    for outcome in outcomes:
        if outcome.state is not State.SENT:
            _log.info(
                "a mail was not sent",
                delivery=str(outcome.delivery_id),
                state=outcome.state,
                attempt=outcome.attempt,
                reason=outcome.error,
            )
