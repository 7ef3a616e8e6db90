"""Who is known, where their mail goes and what they want."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection
from notifier.domain import EmailSettings, Recipient


@dataclass(frozen=True, slots=True)
class SqlRecipientRepository:
    _connection: Connection

    async def held(self, user_id: UUID) -> Recipient | None:
        row = await self._connection.fetch_one(
            """
            SELECT username, email, retweets FROM recipients
            WHERE user_id = :id AND deleted_at IS NULL FOR SHARE
            """,
            {"id": user_id},
        )
        if row is None:
            return None
        return Recipient(user_id, EmailSettings(row["retweets"]), row["username"], row["email"])

    async def is_deleted(self, user_id: UUID) -> bool:
        deleted = await self._connection.fetch_val(
            "SELECT true FROM recipients WHERE user_id = :id AND deleted_at IS NOT NULL",
            {"id": user_id},
        )
        return bool(deleted)

    async def register(self, recipient: Recipient) -> None:
        await self._connection.execute(
            """
            INSERT INTO recipients (user_id, username, email, retweets)
            VALUES (:id, :username, :email, :retweets)
            ON CONFLICT (user_id) DO UPDATE
            SET username = excluded.username, email = excluded.email
            WHERE recipients.deleted_at IS NULL
            """,
            {
                "id": recipient.user_id,
                "username": recipient.username,
                "email": recipient.email,
                "retweets": recipient.settings.retweets,
            },
        )

    async def settings(self, ids: Collection[UUID]) -> Mapping[UUID, EmailSettings]:
        rows = await self._connection.fetch_all(
            "SELECT user_id, retweets FROM recipients WHERE user_id = ANY(:ids)",
            {"ids": list(ids)},
        )
        return {row["user_id"]: EmailSettings(row["retweets"]) for row in rows}

    async def change_settings(self, user_id: UUID, settings: EmailSettings) -> None:
        await self._connection.execute(
            """
            INSERT INTO recipients (user_id, retweets) VALUES (:id, :retweets)
            ON CONFLICT (user_id) DO UPDATE SET retweets = excluded.retweets
            WHERE recipients.deleted_at IS NULL
            """,
            {"id": user_id, "retweets": settings.retweets},
        )

    async def delete(self, user_id: UUID, now: datetime) -> None:
        # First, because it waits for whoever is about to add something of theirs.
        await self._connection.execute(
            """
            INSERT INTO recipients (user_id, deleted_at) VALUES (:id, :now)
            ON CONFLICT (user_id) DO UPDATE
            SET username = NULL, email = NULL, retweets = false,
                deleted_at = coalesce(recipients.deleted_at, excluded.deleted_at)
            """,
            {"id": user_id, "now": now},
        )
        for statement in (
            """
            DELETE FROM notices
            WHERE retweeter_id = :id OR tweet_id IN (SELECT id FROM tweets WHERE author_id = :id)
            """,
            "DELETE FROM deliveries WHERE recipient_id = :id",
            "DELETE FROM tweets WHERE author_id = :id",
        ):
            await self._connection.execute(statement, {"id": user_id})
