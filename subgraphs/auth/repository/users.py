"""The SQL of accounts and their e-mail settings."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import asyncpg

from chassis.database import Connection, Row
from subgraphs.auth.domain import Account, DeletedUser, EmailSettings, User
from subgraphs.auth.errors import EmailTaken, UsernameTaken
from subgraphs.auth.logins import Login


@dataclass(frozen=True, slots=True)
class SqlUserRepository:
    _connection: Connection

    async def add(self, user: User, email_settings: EmailSettings) -> None:
        # DO NOTHING, because PostgreSQL logs the address in a violated constraint.
        added = await self._connection.fetch_val(
            """
            INSERT INTO users (id, username, email, password_hash, created_at, retweet_emails)
            VALUES (:id, :username, :email, :password_hash, :created_at, :retweets)
            ON CONFLICT DO NOTHING RETURNING id
            """,
            {
                "id": user.id,
                "username": user.username,
                "email": user.email,
                "password_hash": user.password_hash,
                "created_at": user.created_at,
                "retweets": email_settings.retweets,
            },
        )
        if added is None:
            taken = await self.by_login(Login(user.username))
            raise EmailTaken if taken is None else UsernameTaken

    async def by_ids(self, ids: Collection[UUID]) -> Sequence[User]:
        rows = await self._connection.fetch_all(
            "SELECT * FROM users WHERE id = ANY(:ids)", {"ids": list(ids)}
        )
        return [_user(row) for row in rows]

    async def account(self, user_id: UUID) -> Account | None:
        row = await self._connection.fetch_one(
            "SELECT * FROM users WHERE id = :id", {"id": user_id}
        )
        return _account(row) if row else None

    async def by_login(self, login: Login) -> User | None:
        column = "email" if login.is_email else "username"
        row = await self._connection.fetch_one(
            f"SELECT * FROM users WHERE lower({column}) = lower(:login)",
            {"login": login.text},
        )
        return _user(row) if row else None

    async def change_password_hash(self, user_id: UUID, *, old: str, new: str) -> None:
        await self._connection.execute(
            "UPDATE users SET password_hash = :new WHERE id = :id AND password_hash = :old",
            {"id": user_id, "old": old, "new": new},
        )

    async def lock(self, user_id: UUID) -> User | None:
        row = await self._connection.fetch_one(
            "SELECT * FROM users WHERE id = :id FOR UPDATE", {"id": user_id}
        )
        return _user(row) if row else None

    async def change_password(self, user_id: UUID, password_hash: str, now: datetime) -> datetime:
        changed_at: datetime = await self._connection.fetch_val(
            """
            UPDATE users
            SET password_hash = :hash, breach_reported_at = NULL, password_changed_at = greatest(
                :now, password_changed_at + interval '1 microsecond'
            )
            WHERE id = :id RETURNING password_changed_at
            """,
            {"id": user_id, "hash": password_hash, "now": now},
        )
        return changed_at

    async def change_roles(self, user_id: UUID, roles: Collection[str]) -> None:
        await self._connection.execute(
            "UPDATE users SET roles = :roles WHERE id = :id",
            {"id": user_id, "roles": sorted(roles)},
        )

    async def report_breach(self, user: User, now: datetime) -> bool:
        reported = await self._connection.fetch_val(
            """
            UPDATE users SET breach_reported_at = :now
            WHERE id = :id AND breach_reported_at IS NULL
                AND password_changed_at IS NOT DISTINCT FROM :changed_at
            RETURNING id
            """,
            {"id": user.id, "now": now, "changed_at": user.password_changed_at},
        )
        return reported is not None

    async def verify_email(self, user: User, email: str, now: datetime) -> User:
        try:
            verified_at = await self._connection.fetch_val(
                """
                UPDATE users
                SET email = :email, email_verified_at = greatest(
                    :now, email_verified_at + interval '1 microsecond'
                )
                WHERE id = :id RETURNING email_verified_at
                """,
                {"id": user.id, "email": email, "now": now},
            )
        except asyncpg.UniqueViolationError:
            raise EmailTaken from None
        return replace(user, email=email, email_verified_at=verified_at)

    async def remove(self, user_id: UUID, now: datetime) -> None:
        await self._connection.execute(
            """
            WITH removed AS (DELETE FROM users WHERE id = :id RETURNING id)
            INSERT INTO deleted_users (id, deleted_at) SELECT id, :now FROM removed
            """,
            {"id": user_id, "now": now},
        )

    async def set_disabled(self, user_id: UUID, at: datetime | None) -> None:
        await self._connection.execute(
            "UPDATE users SET disabled_at = :at WHERE id = :id", {"id": user_id, "at": at}
        )

    async def deleted_at(self, user_id: UUID) -> datetime | None:
        at: datetime | None = await self._connection.fetch_val(
            "SELECT deleted_at FROM deleted_users WHERE id = :id", {"id": user_id}
        )
        return at

    async def change_email_settings(self, user_id: UUID, settings: EmailSettings) -> None:
        await self._connection.execute(
            """
            UPDATE users SET retweet_emails = :retweets, email_settings_changed_at = :at
            WHERE id = :id
                AND (email_settings_changed_at IS NULL OR email_settings_changed_at <= :at)
            """,
            {"id": user_id, "retweets": settings.retweets, "at": settings.changed_at},
        )

    async def known_after(self, user_id: UUID, limit: int) -> Sequence[Account | DeletedUser]:
        # One statement: a user whose deletion commits meanwhile is in the answer once.
        rows = await self._connection.fetch_all(
            """
            (
                SELECT *, CAST(NULL AS timestamptz) AS deleted_at FROM (
                    SELECT id, username, email, password_hash, created_at, retweet_emails,
                           email_settings_changed_at, email_verified_at, password_changed_at,
                           disabled_at, roles
                    FROM users WHERE id > :after ORDER BY id LIMIT :limit
                ) living
            ) UNION ALL (
                SELECT id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, deleted_at
                FROM deleted_users WHERE id > :after ORDER BY id LIMIT :limit
            )
            ORDER BY id LIMIT :limit
            """,
            {"after": user_id, "limit": limit},
        )
        return [_known(row) for row in rows]


def _user(row: Row) -> User:
    return User(
        id=row["id"],
        username=row["username"],
        email=row["email"],
        password_hash=row["password_hash"],
        created_at=row["created_at"],
        email_verified_at=row["email_verified_at"],
        password_changed_at=row["password_changed_at"],
        disabled_at=row["disabled_at"],
        roles=frozenset(row["roles"]),
    )


def _known(row: Row) -> Account | DeletedUser:
    if row["deleted_at"]:
        return DeletedUser(row["id"], row["deleted_at"])
    return _account(row)


def _account(row: Row) -> Account:
    settings = EmailSettings(bool(row["retweet_emails"]), row["email_settings_changed_at"])
    return Account(_user(row), settings)
