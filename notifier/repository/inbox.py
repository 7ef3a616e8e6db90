"""Remembers which events were handled, so that a redelivered event is handled once."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection


@dataclass(frozen=True, slots=True)
class SqlInbox:
    _connection: Connection

    async def add(self, event_id: UUID, now: datetime) -> bool:
        """Record the event in this transaction; return False if it was recorded before."""
        # A second transaction with the same event waits here until the first one ends. It gets
        # False if the first was committed, and True if it was rolled back.
        added = await self._connection.fetch_val(
            """
            INSERT INTO inbox (event_id, received_at) VALUES (:id, :now)
            ON CONFLICT DO NOTHING RETURNING true
            """,
            {"id": event_id, "now": now},
        )
        return bool(added)
