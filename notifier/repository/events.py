"""Events that were handled, and those that could not be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection
from notifier.domain import RejectedEvent


@dataclass(frozen=True, slots=True)
class SqlInbox:
    _connection: Connection

    async def add(self, event_id: UUID, now: datetime) -> bool:
        # A second transaction with the same event waits here for the first to end.
        added = await self._connection.fetch_val(
            """
            INSERT INTO inbox (event_id, received_at) VALUES (:id, :now)
            ON CONFLICT DO NOTHING RETURNING true
            """,
            {"id": event_id, "now": now},
        )
        return bool(added)


@dataclass(frozen=True, slots=True)
class SqlRejectedEventRepository:
    _connection: Connection

    async def add(self, event: RejectedEvent) -> None:
        await self._connection.execute(
            """
            INSERT INTO rejected_events (id, raw, reason, rejected_at)
            VALUES (:id, :raw, :reason, :rejected_at) ON CONFLICT DO NOTHING
            """,
            {
                "id": event.id,
                "raw": event.raw,
                "reason": event.reason,
                "rejected_at": event.rejected_at,
            },
        )

    async def all(self) -> Sequence[RejectedEvent]:
        rows = await self._connection.fetch_all(
            "SELECT * FROM rejected_events ORDER BY rejected_at"
        )
        return [
            RejectedEvent(row["id"], row["raw"], row["reason"], row["rejected_at"]) for row in rows
        ]

    async def remove(self, rejected_id: UUID) -> bool:
        removed = await self._connection.fetch_val(
            "DELETE FROM rejected_events WHERE id = :id RETURNING true", {"id": rejected_id}
        )
        return bool(removed)
