"""The dead letters of the notifier: dead mails beside the rejected events of every service."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis import dead_letters
from chassis.dead_letters import DeadLetter, DeadLetterNotFoundError
from notifier.domain import Delivery
from notifier.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Implements `chassis.dead_letters.DeadLetters`."""

    unit_of_work: UnitOfWork
    rejected_events: dead_letters.DeadLetters
    now: Callable[[], datetime]

    async def all(self) -> Sequence[DeadLetter]:
        dead = await self.unit_of_work.read(lambda r: r.deliveries.all_dead())
        letters = [*map(_letter, dead), *await self.rejected_events.all()]
        return sorted(letters, key=lambda letter: letter.since)

    async def get(self, letter_id: str) -> DeadLetter:
        if delivery := await self._dead(letter_id):
            return _letter(delivery)
        return await self.rejected_events.get(letter_id)

    async def retry(self, letter_id: str) -> None:
        delivery, now = await self._dead(letter_id), self.now()
        if delivery is None:
            await self.rejected_events.retry(letter_id)
        elif not await self.unit_of_work.transaction(
            lambda r: r.deliveries.revive(delivery.id, now)
        ):
            raise DeadLetterNotFoundError(letter_id)

    async def drop(self, letter_id: str) -> None:
        delivery = await self._dead(letter_id)
        if delivery is None:
            await self.rejected_events.drop(letter_id)
        elif not await self.unit_of_work.transaction(
            lambda r: r.deliveries.cancel(delivery.id, "dropped by an operator")
        ):
            raise DeadLetterNotFoundError(letter_id)

    async def _dead(self, letter_id: str) -> Delivery | None:
        try:
            delivery_id = UUID(letter_id)
        except ValueError:
            return None
        return await self.unit_of_work.read(lambda r: r.deliveries.dead(delivery_id))


def _letter(delivery: Delivery) -> DeadLetter:
    about = (
        f"recipient  {delivery.recipient_id}\ntweet      {delivery.tweet_id}"
        if delivery.account_mail_id is None
        else f"mail id    {delivery.account_mail_id} (of auth)"
    )
    details = f"{about}\nmessage    {delivery.message_id}\nattempts   {delivery.attempts}"
    return DeadLetter(
        str(delivery.id), "mail", delivery.created_at, delivery.last_error or "", details
    )
