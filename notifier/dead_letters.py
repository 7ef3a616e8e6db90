"""The use cases of dead letters: mails that were given up, and events that could not be handled."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from notifier.domain import Delivery, RejectedEvent
from notifier.errors import DeadLetterNotFound
from notifier.ports import UnitOfWork

DeadLetter = Delivery | RejectedEvent

_REJECTED = UUID("6b1f4c0e-6f0a-4a57-9a63-0d6b4f6f2f11")


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """`handle_again` takes the text of a rejected event, and raises if it still cannot be done."""

    unit_of_work: UnitOfWork
    now: Callable[[], datetime]
    handle_again: Callable[[str], Awaitable[None]]

    async def add(self, raw: str, reason: str) -> None:
        """Keeps an event that could not be handled. The same text is one dead letter."""
        raw = raw.replace("\0", "\N{REPLACEMENT CHARACTER}")  # PostgreSQL keeps no NUL
        event = RejectedEvent(uuid5(_REJECTED, raw), raw, reason, self.now())
        await self.unit_of_work.transaction(lambda r: r.rejected.add(event))

    async def all(self) -> Sequence[DeadLetter]:
        deliveries = await self.unit_of_work.read(lambda r: r.deliveries.dead())
        events = await self.unit_of_work.read(lambda r: r.rejected.all())
        return [*deliveries, *events]

    async def get(self, letter_id: UUID) -> DeadLetter:
        """Raises DeadLetterNotFound."""
        for letter in await self.all():
            if letter.id == letter_id:
                return letter
        raise DeadLetterNotFound

    async def retry(self, letter_id: UUID) -> None:
        """Raises DeadLetterNotFound, or what keeps an event from being handled."""
        letter = await self.get(letter_id)
        now = self.now()
        if isinstance(letter, RejectedEvent):
            await self.handle_again(letter.raw)
            await self.unit_of_work.transaction(lambda r: r.rejected.remove(letter_id))
        elif not await self.unit_of_work.transaction(lambda r: r.deliveries.revive(letter_id, now)):
            raise DeadLetterNotFound

    async def drop(self, letter_id: UUID) -> None:
        """Raises DeadLetterNotFound."""
        letter = await self.get(letter_id)
        dropped = await self.unit_of_work.transaction(
            lambda r: (
                r.rejected.remove(letter_id)
                if isinstance(letter, RejectedEvent)
                else r.deliveries.cancel(letter_id, "dropped by hand")
            )
        )
        if not dropped:
            raise DeadLetterNotFound
