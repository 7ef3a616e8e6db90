"""Saves the outcomes of deliveries, many in one transaction under load."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from chassis.background import Backoff
from notifier.domain import Outcome, State
from notifier.ports import Repositories, UnitOfWork

_log = structlog.get_logger("notifier.delivery_log")


class DeliveryLog:
    """Group commit: outcomes that arrive during one transaction go into the next one together."""

    def __init__(
        self, unit_of_work: UnitOfWork, record: Callable[[Outcome], None] = lambda _: None
    ) -> None:
        """`record` is called with each outcome that is saved."""
        self._unit_of_work = unit_of_work
        self._record = record
        self._gathered: list[Outcome] = []
        self._next: asyncio.Task[None] | None = None
        self._saving = asyncio.Lock()
        self._backoff = Backoff("saving the outcomes of deliveries")

    async def save(self, outcome: Outcome) -> None:
        """Return once the outcome is in the database. Waits out an outage of the database."""
        self._gathered.append(outcome)
        if self._next is None:
            self._next = asyncio.create_task(self._save_gathered())
        await self._next

    async def _save_gathered(self) -> None:
        async with self._saving:
            outcomes, self._gathered, self._next = self._gathered, [], None
            # Retries without limit: a mail not saved as sent would be sent again.
            await self._backoff.until_success(
                lambda: self._unit_of_work.transaction(lambda r: _save(r, outcomes)),
                (Exception,),
            )
        _log_outcomes(outcomes)
        for outcome in outcomes:
            self._record(outcome)


async def _save(repositories: Repositories, outcomes: Sequence[Outcome]) -> None:
    waiting = {o.recipient_id for o in outcomes if o.state is State.WAITING and o.recipient_id}
    # Recipients are locked before deliveries, as by the use cases.
    for user_id in sorted(waiting):
        await repositories.recipients.lock(user_id)
    await repositories.deliveries.save_outcomes(outcomes)
    for outcome in outcomes:
        if outcome.refused_address:
            await repositories.addresses.save_refusal(outcome.refused_address, outcome.at)
    # An address may have been verified, or replaced by another one, since its draft was read.
    for user_id in waiting:
        recipient = await repositories.recipients.lock(user_id)
        if recipient and not recipient.wait_reason:
            await repositories.deliveries.release(user_id, outcomes[-1].at)


def _log_outcomes(outcomes: Sequence[Outcome]) -> None:
    if sent := [str(o.delivery_id) for o in outcomes if o.state is State.SENT]:
        _log.info("mails sent", deliveries=sent)
    for outcome in outcomes:
        if outcome.state is not State.SENT:
            _log.info(
                "mail not sent",
                delivery=str(outcome.delivery_id),
                state=outcome.state,
                attempt=outcome.attempt,
                reason=outcome.error,
            )
