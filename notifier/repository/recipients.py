"""The known users: their names, addresses and settings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection, Row
from notifier.domain import EmailSettings, Recipient
from notifier.repository.addresses import SqlAddressRepository, Suppression


@dataclass(frozen=True, slots=True)
class SqlRecipientRepository:
    _connection: Connection
    _addresses: SqlAddressRepository

    async def lock(self, user_id: UUID) -> Recipient | None:
        # The lock that an UPDATE takes: of two concurrent retweets, one opens the window.
        select = "SELECT * FROM recipients WHERE user_id = :id FOR NO KEY UPDATE"
        row = await self._connection.fetch_one(select, {"id": user_id})
        if row is None:
            await self._connection.execute(
                "INSERT INTO recipients (user_id) VALUES (:id) ON CONFLICT DO NOTHING",
                {"id": user_id},
            )
            row = await self._connection.fetch_one(select, {"id": user_id})
        if row is None or row["deleted_at"]:
            return None
        return recipient(row, await self._addresses.suppressed([row["email"]]))

    async def get(self, user_id: UUID) -> Recipient | None:
        row = await self._connection.fetch_one(
            "SELECT * FROM recipients WHERE user_id = :id AND deleted_at IS NULL", {"id": user_id}
        )
        return recipient(row, await self._addresses.suppressed([row["email"]])) if row else None

    async def merge(self, recipient: Recipient) -> None:
        await self._connection.execute(
            """
            INSERT INTO recipients (user_id, username, email, email_verified_at, retweets,
                                    settings_changed_at)
            VALUES (:id, :username, :email, :verified_at, :retweets, :changed_at)
            ON CONFLICT (user_id) DO UPDATE
            SET username = coalesce(excluded.username, recipients.username),
                email = CASE
                    WHEN recipients.email_verified_at IS NULL
                        OR excluded.email_verified_at > recipients.email_verified_at
                    THEN excluded.email ELSE recipients.email
                END,
                email_verified_at =
                    greatest(recipients.email_verified_at, excluded.email_verified_at),
                (retweets, settings_changed_at) = (
                    SELECT choice.retweets, changed_at FROM (VALUES
                        (1, recipients.retweets, recipients.settings_changed_at),
                        (2, excluded.retweets, excluded.settings_changed_at)
                    ) AS choice (rank, retweets, changed_at)
                    WHERE choice.retweets IS NOT NULL
                    ORDER BY changed_at DESC NULLS LAST, rank LIMIT 1
                )
            WHERE recipients.deleted_at IS NULL
            """,
            {
                "id": recipient.user_id,
                "username": recipient.username,
                "email": recipient.email,
                "verified_at": recipient.email_verified_at,
                "retweets": recipient.settings and recipient.settings.retweets,
                "changed_at": recipient.settings_changed_at,
            },
        )

    async def settings(self, ids: Collection[UUID]) -> Mapping[UUID, EmailSettings]:
        rows = await self._connection.fetch_all(
            """
            SELECT * FROM recipients
            WHERE user_id = ANY(:ids) AND retweets IS NOT NULL
            """,
            {"ids": list(ids)},
        )
        suppressed = await self._addresses.suppressed([row["email"] for row in rows])
        users = [recipient(row, suppressed) for row in rows]
        return {user.user_id: user.settings for user in users if user.settings}

    async def change_settings(
        self, user_id: UUID, settings: EmailSettings, now: datetime
    ) -> datetime | None:
        changed_at: datetime | None = await self._connection.fetch_val(
            """
            INSERT INTO recipients (user_id, retweets, settings_changed_at)
            VALUES (:id, :retweets, :now)
            ON CONFLICT (user_id) DO UPDATE
            SET retweets = excluded.retweets,
                settings_changed_at = greatest(
                    excluded.settings_changed_at,
                    recipients.settings_changed_at + interval '1 microsecond'
                )
            WHERE recipients.deleted_at IS NULL
            RETURNING settings_changed_at
            """,
            {"id": user_id, "retweets": settings.retweets, "now": now},
        )
        return changed_at

    async def known_after(self, user_id: UUID, limit: int) -> Sequence[Recipient]:
        rows = await self._connection.fetch_all(
            """
            SELECT * FROM recipients
            WHERE user_id > :after AND retweets IS NOT NULL AND deleted_at IS NULL
            ORDER BY user_id LIMIT :limit
            """,
            {"after": user_id, "limit": limit},
        )
        suppressed = await self._addresses.suppressed([row["email"] for row in rows])
        return [recipient(row, suppressed) for row in rows]

    async def delete(self, user_id: UUID, now: datetime) -> None:
        # This statement is the first because it waits for transactions that add data of the user.
        await self._connection.execute(
            """
            INSERT INTO recipients (user_id, deleted_at) VALUES (:id, :now)
            ON CONFLICT (user_id) DO UPDATE
            SET username = NULL, email = NULL, email_verified_at = NULL, retweets = false,
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


def recipient(row: Row, suppressed: Mapping[str, Suppression]) -> Recipient:
    """Return the user of a row; `suppressed` has the addresses that get no mail."""
    suppression = suppressed.get(row["email"], Suppression())
    wanted, settings = row["retweets"], None
    if wanted is not None:
        settings = EmailSettings(
            wanted and not suppression.unsubscribed,
            suppression.unsubscribed,
            suppression.undeliverable_since,
        )
    return Recipient(
        user_id=row["user_id"],
        settings=settings,
        username=row["username"],
        email=row["email"],
        settings_changed_at=row["settings_changed_at"],
        email_verified_at=row["email_verified_at"],
    )
