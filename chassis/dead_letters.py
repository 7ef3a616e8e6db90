"""Dead letters: events that could not be handled. An operator retries or drops them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chassis.database import Connection, Database, Row
from chassis.events import Event

SCHEMA = (
    """
    CREATE TABLE rejected_events (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event text NOT NULL,
        reason text NOT NULL,
        rejected_at timestamptz NOT NULL DEFAULT now()
    )
    """,
)
"""The statements of a migration that creates a service's table of rejected events."""

EventHandler = Callable[[Event], Awaitable[None]]
"""Handles an event. Raises an exception for one that it cannot handle."""


class DeadLetterNotFoundError(Exception):
    """No dead letter has this id."""

    def __init__(self, letter_id: str) -> None:
        super().__init__(f"there is no dead letter {letter_id}")


class RetryFailedError(Exception):
    """The dead letter still cannot be handled; it is kept."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event, or another item of work, that the service has given up."""

    id: str
    kind: str
    """`event`, or another kind of the service."""
    since: datetime
    reason: str
    details: str
    """All information about it, for an operator."""


class DeadLetters(Protocol):
    """The operations of the commands `dead-letters list|show|retry|drop`."""

    async def all(self) -> Sequence[DeadLetter]:
        """Return every dead letter, the oldest first."""

    async def get(self, letter_id: str) -> DeadLetter:
        """Raises DeadLetterNotFoundError."""

    async def retry(self, letter_id: str) -> None:
        """Handle it again, and remove it if that succeeds.

        Raises DeadLetterNotFoundError or RetryFailedError.
        """

    async def drop(self, letter_id: str) -> None:
        """Remove it. Raises DeadLetterNotFoundError."""


class RejectedEvents:
    """The rejected events of a service, in its database. Implements DeadLetters."""

    def __init__(self, database: Database, handle: EventHandler) -> None:
        self._database = database
        self._handle = handle

    async def add(self, text: str, reason: str) -> None:
        """Save the text of an event that could not be handled. The same text is saved once."""
        await self._database.transaction(
            lambda connection: connection.execute(
                """
                INSERT INTO rejected_events (event, reason)
                SELECT :event, :reason
                WHERE NOT EXISTS (SELECT FROM rejected_events WHERE event = :event)
                """,
                {"event": _storable(text), "reason": _storable(reason)},
            )
        )

    async def all(self) -> Sequence[DeadLetter]:
        rows = await self._database.read(
            lambda connection: connection.fetch_all(
                "SELECT * FROM rejected_events ORDER BY rejected_at, id"
            )
        )
        return [_letter(row) for row in rows]

    async def get(self, letter_id: str) -> DeadLetter:
        row = await self._database.read(
            lambda connection: connection.fetch_one(
                "SELECT * FROM rejected_events WHERE CAST(id AS text) = :id", {"id": letter_id}
            )
        )
        if row is None:
            raise DeadLetterNotFoundError(letter_id)
        return _letter(row)

    async def retry(self, letter_id: str) -> None:
        letter = await self.get(letter_id)
        try:
            await self._handle(Event.from_json(letter.details))
        except Exception as error:
            raise RetryFailedError(f"{type(error).__name__}: {error}") from error
        await self.drop(letter_id)

    async def drop(self, letter_id: str) -> None:
        async def delete(connection: Connection) -> bool:
            deleted = await connection.fetch_val(
                "DELETE FROM rejected_events WHERE CAST(id AS text) = :id RETURNING true",
                {"id": letter_id},
            )
            return bool(deleted)

        if not await self._database.transaction(delete):
            raise DeadLetterNotFoundError(letter_id)


def _letter(row: Row) -> DeadLetter:
    return DeadLetter(str(row["id"]), "event", row["rejected_at"], row["reason"], row["event"])


def _storable(text: str) -> str:
    """Replace NUL, the only character that PostgreSQL refuses."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
