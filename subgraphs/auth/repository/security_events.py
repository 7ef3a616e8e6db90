"""The SQL of security events. They are added, read and, after their time, removed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.database import Connection, Row
from chassis.paging import Page, PageRequest
from subgraphs.auth.domain import Device
from subgraphs.auth.security_events import Origin, SecurityEvent, SecurityEventKind, first_id

_LAST = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class SqlSecurityEventRepository:
    _connection: Connection

    async def add(self, event: SecurityEvent) -> None:
        await self._connection.execute(
            """
            INSERT INTO security_events
                (id, user_id, kind, at, session_id, user_agent, address, operator, reason)
            VALUES
                (:id, :user_id, :kind, :at, :session_id, :user_agent, :address, :operator, :reason)
            """,
            _values(event),
        )

    async def add_refused(self, event: SecurityEvent, once_since: datetime | None) -> None:
        # Without waiting for the disk, which only an account that exists would make it do.
        await self._connection.execute(
            """
            INSERT INTO security_events
                (id, user_id, kind, at, session_id, user_agent, address, operator, reason)
            SELECT :id, users.id, :kind, :at, :session_id, :user_agent, :address, :operator, :reason
            FROM users, (SELECT set_config('synchronous_commit', 'off', true)) AS setting
            WHERE users.id = :user_id AND (
                CAST(:since AS uuid) IS NULL OR NOT EXISTS (
                    SELECT FROM security_events AS earlier
                    WHERE earlier.user_id = users.id AND earlier.id >= :since
                        AND earlier.kind = :kind
                )
            )
            """,
            {**_values(event), "since": first_id(once_since) if once_since else None},
        )

    async def of_user(self, user_id: UUID, page: PageRequest) -> Page[SecurityEvent]:
        after = page.after or _LAST
        rows = await self._connection.fetch_all(
            """
            SELECT * FROM security_events
            WHERE user_id = :user_id AND id < :after AND kind = ANY(:known)
            ORDER BY id DESC LIMIT :limit
            """,
            # A later release, before it was rolled back, may have stored other kinds.
            {
                "user_id": user_id,
                "after": after,
                "known": list(SecurityEventKind),
                "limit": page.first + 1,
            },
        )
        has_previous = page.after is not None and await self._connection.fetch_val(
            "SELECT EXISTS (SELECT FROM security_events WHERE user_id = :user_id AND id >= :after)",
            {"user_id": user_id, "after": after},
        )
        return Page(
            [_event(row) for row in rows[: page.first]],
            has_next=len(rows) > page.first,
            has_previous=has_previous,
        )

    async def purge(self, before: datetime) -> int:
        """Remove the events of before this time. Returns their number."""
        rows = await self._connection.fetch_all(
            "DELETE FROM security_events WHERE at < :before RETURNING 1", {"before": before}
        )
        return len(rows)


def _values(event: SecurityEvent) -> dict[str, Any]:
    device = event.origin.device
    return {
        "id": event.id,
        "user_id": event.user_id,
        "kind": event.kind,
        "at": event.at,
        "session_id": event.origin.session_id,
        "user_agent": device.user_agent if device else None,
        "address": device.address if device else None,
        "operator": event.origin.operator,
        "reason": event.reason,
    }


def _event(row: Row) -> SecurityEvent:
    device = None
    if row["address"] is not None:
        device = Device(user_agent=row["user_agent"], address=row["address"])
    return SecurityEvent(
        id=row["id"],
        user_id=row["user_id"],
        kind=SecurityEventKind(row["kind"]),
        at=row["at"],
        origin=Origin(device, row["session_id"], row["operator"]),
        reason=row["reason"],
    )
