"""The progress of a backfill in the consumer's database, and the lock that orders its pages."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from chassis.database import Connection, Database

SCHEMA = (
    """
    CREATE TABLE backfills (
        owner text PRIMARY KEY,
        cursor text,
        events bigint NOT NULL,
        started_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz
    )
    """,
)
"""The statements of a migration that enables backfills.

A service that consumed the events of an owner before it had this table adds a finished row if its
database holds data: `finished_row("auth", "recipients")`.
"""

_LOCK = "backfill"


def finished_row(owner: str, table: str) -> str:
    """Return the statement that marks a backfill as finished if `table` has rows."""
    return f"""
        INSERT INTO backfills (owner, events, finished_at)
        SELECT '{owner}', 0, now() WHERE EXISTS (SELECT FROM {table})
    """  # noqa: S608


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of the backfill from one owner; `cursor` is that of the next page."""

    owner: str
    cursor: str | None = None
    events: int = 0
    finished: bool = False
    started_at: datetime | None = None
    """None before the first page has been applied."""
    finished_at: datetime | None = None

    def after(self, events: int, cursor: str | None) -> "Progress":
        """Return the progress after a page of `events` events; `cursor` is None for the last."""
        return replace(self, cursor=cursor, events=self.events + events, finished=cursor is None)


class ProgressChange(Protocol):
    """Reads and changes the progress while the exclusive lock is held."""

    async def get(self, owner: str) -> Progress:
        """Return the progress. Raises the driver's error if the lock is lost."""

    async def save(self, progress: Progress) -> None: ...

    async def check(self) -> None:
        """Raise the driver's error if the lock is lost."""


class ProgressStore(Protocol):
    """Stores the progress and provides its lock: handlers share it, a page holds it exclusively."""

    def handling(self) -> AbstractAsyncContextManager[object]:
        """Hold the lock shared inside the block."""

    def applying(self) -> AbstractAsyncContextManager[ProgressChange]:
        """Hold the lock exclusively inside the block; changes are committed at its end."""

    async def get(self, owner: str) -> Progress:
        """Return the progress without waiting for the lock."""


@dataclass(frozen=True, slots=True)
class BackfillTable:
    """Implements ProgressStore on PostgreSQL.

    The lock is an advisory lock of the consumer's database, which all its replicas share.
    """

    _database: Database

    def handling(self) -> AbstractAsyncContextManager[object]:
        return self._database.locked(_LOCK, shared=True)

    @asynccontextmanager
    async def applying(self) -> AsyncIterator[ProgressChange]:
        async with self._database.locked(_LOCK) as connection:
            yield _Change(connection)

    async def get(self, owner: str) -> Progress:
        return await self._database.read(lambda connection: _Change(connection).get(owner))


@dataclass(frozen=True, slots=True)
class _Change:
    _connection: Connection

    async def get(self, owner: str) -> Progress:
        row = await self._connection.fetch_one(
            "SELECT * FROM backfills WHERE owner = :owner", {"owner": owner}
        )
        if row is None:
            return Progress(owner)
        return Progress(
            owner=owner,
            cursor=row["cursor"],
            events=row["events"],
            finished=row["finished_at"] is not None,
            started_at=row["started_at"],
            finished_at=row["finished_at"],
        )

    async def save(self, progress: Progress) -> None:
        await self._connection.execute(
            """
            INSERT INTO backfills (owner, cursor, events, finished_at)
            VALUES (:owner, :cursor, :events, CASE WHEN :finished THEN clock_timestamp() END)
            ON CONFLICT (owner) DO UPDATE
            SET cursor = excluded.cursor, events = excluded.events,
                finished_at = excluded.finished_at,
                started_at = CASE WHEN :again THEN now() ELSE backfills.started_at END
            """,
            {
                "owner": progress.owner,
                "cursor": progress.cursor,
                "events": progress.events,
                "finished": progress.finished,
                "again": progress.started_at is None,
            },
        )

    async def check(self) -> None:
        await self._connection.execute("SELECT 1")
