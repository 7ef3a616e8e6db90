"""The SQL of mails about accounts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection, Row
from subgraphs.auth.domain import AccountMail, MailKind


@dataclass(frozen=True, slots=True)
class SqlAccountMailRepository:
    _connection: Connection

    async def add(self, mail: AccountMail) -> None:
        await self._connection.execute(
            """
            INSERT INTO account_mails (
                id, kind, address, user_id, seed, hash, created_at, username, user_agent
            )
            VALUES (
                :id, :kind, :address, :user_id, :seed, :hash, :created_at, :username, :user_agent
            )
            """,
            {
                "id": mail.id,
                "kind": mail.kind,
                "address": mail.address,
                "user_id": mail.user_id,
                "seed": mail.seed,
                "hash": mail.hash,
                "created_at": mail.created_at,
                "username": mail.username,
                "user_agent": mail.user_agent,
            },
        )

    async def lock(self, mail_id: UUID) -> AccountMail | None:
        row = await self._connection.fetch_one(
            "SELECT * FROM account_mails WHERE id = :id FOR UPDATE", {"id": mail_id}
        )
        return _mail(row) if row else None

    async def send(self, mail: AccountMail) -> None:
        await self._connection.execute(
            """
            UPDATE account_mails
            SET kind = :kind, address = :address, user_id = :user_id, expires_at = :expires_at
            WHERE id = :id
            """,
            {
                "id": mail.id,
                "kind": mail.kind,
                "address": mail.address,
                "user_id": mail.user_id,
                "expires_at": mail.expires_at,
            },
        )

    async def by_hash(self, hash: bytes) -> AccountMail | None:
        row = await self._connection.fetch_one(
            "SELECT * FROM account_mails WHERE hash = :hash", {"hash": hash}
        )
        return _mail(row) if row else None

    async def of_user(self, user_id: UUID, kinds: Collection[MailKind]) -> Sequence[AccountMail]:
        rows = await self._connection.fetch_all(
            "SELECT * FROM account_mails WHERE user_id = :user_id AND kind = ANY(:kinds)",
            {"user_id": user_id, "kinds": list(kinds)},
        )
        return [_mail(row) for row in rows]

    async def count_attempt(self, mail_ids: Collection[UUID]) -> None:
        await self._connection.execute(
            "UPDATE account_mails SET attempts = attempts + 1 WHERE id = ANY(:ids)",
            {"ids": list(mail_ids)},
        )

    async def remove(
        self, user_id: UUID, kinds: Collection[MailKind], *, since: datetime | None = None
    ) -> None:
        await self._connection.execute(
            """
            DELETE FROM account_mails
            WHERE user_id = :user_id AND kind = ANY(:kinds)
                AND (CAST(:since AS timestamptz) IS NULL OR created_at >= :since)
            """,
            {"user_id": user_id, "kinds": list(kinds), "since": since},
        )

    async def is_reserved(self, address: str, user_id: UUID, now: datetime) -> bool:
        # The kind is in the text, because a plan for any kind would not use the partial index.
        reserved = await self._connection.fetch_val(
            """
            SELECT EXISTS (
                SELECT FROM account_mails
                WHERE kind = 'email-changed' AND lower(address) = lower(:address)
                    AND user_id <> :user_id AND (expires_at IS NULL OR expires_at > :now)
            )
            """,
            {"address": address, "user_id": user_id, "now": now},
        )
        return bool(reserved)

    async def purge(self, *, now: datetime, created_before: datetime) -> int:
        """Remove mails of before `created_before` whose code has expired. Returns their number."""
        rows = await self._connection.fetch_all(
            """
            DELETE FROM account_mails
            WHERE created_at < :created_before AND (expires_at IS NULL OR expires_at <= :now)
            RETURNING 1
            """,
            {"now": now, "created_before": created_before},
        )
        return len(rows)


def _mail(row: Row) -> AccountMail:
    return AccountMail(
        id=row["id"],
        kind=MailKind(row["kind"]),
        address=row["address"],
        user_id=row["user_id"],
        seed=row["seed"],
        hash=row["hash"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        attempts=row["attempts"],
        username=row["username"],
        user_agent=row["user_agent"],
    )
