"""Dead letters: events that could not be handled, kept for an operator to retry or drop."""

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
"""The statements of a migration that gives a service its table of rejected events."""

EventHandler = Callable[[Event], Awaitable[None]]
"""What a service does with an event. It raises for one that it cannot handle."""


class DeadLetterNotFoundError(Exception):
    """There is no dead letter with this id."""

    def __init__(self, letter_id: str) -> None:
        super().__init__(f"there is no dead letter {letter_id}")


class RetryFailedError(Exception):
    """The dead letter still cannot be handled; it is kept."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One thing that was given up."""

    id: str
    kind: str
    """What it is: `event`, or another kind that the service has."""
    since: datetime
    reason: str
    details: str
    """All that is known of it, for an operator to read."""


class DeadLetters(Protocol):
    """What the commands `dead-letters list|show|retry|drop` need."""

    async def all(self) -> Sequence[DeadLetter]:
        """Return every dead letter, the oldest first."""

    async def get(self, letter_id: str) -> DeadLetter:
        """Raises DeadLetterNotFoundError."""

    async def retry(self, letter_id: str) -> None:
        """Raises DeadLetterNotFoundError or RetryFailedError."""

    async def drop(self, letter_id: str) -> None:
        """Raises DeadLetterNotFoundError."""


class RejectedEvents:
    """The rejected events of a service, in its database. Implements DeadLetters."""

    def __init__(self, database: Database, handle: EventHandler) -> None:
        self._database = database
        self._handle = handle

    async def add(self, text: str, reason: str) -> None:
        """Keep the text of an event that could not be handled. The same text is kept once."""
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
            lambda connection: connection.fetch_all("SELECT * FROM rejected_events ORDER BY id")
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
    """Return the text without NUL, the only character that PostgreSQL refuses."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
