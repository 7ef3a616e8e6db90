"""All SQL of the auth service."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from chassis.database import Connection, Row
from chassis.outbox import SqlEventOutbox
from subgraphs.auth.domain import (
    Account,
    DeletedUser,
    Device,
    EmailSettings,
    Login,
    RefreshToken,
    Session,
    User,
)
from subgraphs.auth.errors import EmailTaken, UsernameTaken


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

    async def by_login(self, login: Login) -> User | None:
        column = "email" if login.is_email else "username"
        row = await self._connection.fetch_one(
            f"SELECT * FROM users WHERE lower({column}) = lower(:login)",  # noqa: S608
            {"login": login.text},
        )
        return _user(row) if row else None

    async def change_password_hash(self, user_id: UUID, *, old: str, new: str) -> None:
        await self._connection.execute(
            "UPDATE users SET password_hash = :new WHERE id = :id AND password_hash = :old",
            {"id": user_id, "old": old, "new": new},
        )

    async def lock(self, user_id: UUID) -> bool:
        found = await self._connection.fetch_val(
            "SELECT true FROM users WHERE id = :id FOR UPDATE", {"id": user_id}
        )
        return bool(found)

    async def remove(self, user_id: UUID, now: datetime) -> None:
        await self._connection.execute(
            """
            WITH removed AS (DELETE FROM users WHERE id = :id RETURNING id)
            INSERT INTO deleted_users (id, deleted_at) SELECT id, :now FROM removed
            """,
            {"id": user_id, "now": now},
        )

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
                    SELECT id, username, email, password_hash, created_at,
                           retweet_emails, email_settings_changed_at
                    FROM users WHERE id > :after ORDER BY id LIMIT :limit
                ) living
            ) UNION ALL (
                SELECT id, NULL, NULL, NULL, NULL, NULL, NULL, deleted_at
                FROM deleted_users WHERE id > :after ORDER BY id LIMIT :limit
            )
            ORDER BY id LIMIT :limit
            """,
            {"after": user_id, "limit": limit},
        )
        return [_known(row) for row in rows]


@dataclass(frozen=True, slots=True)
class SqlSessionRepository:
    _connection: Connection

    async def open(self, session: Session, token_hash: bytes) -> bool:
        try:
            await self._connection.execute(
                """
                WITH opened AS (
                    INSERT INTO sessions (id, user_id, scopes, all_scopes, user_agent, address,
                                          created_at, last_used_at, expires_at)
                    VALUES (:id, :user_id, :scopes, :all_scopes, :user_agent, :address,
                            :created_at, :last_used_at, :expires_at)
                    RETURNING id, created_at
                )
                INSERT INTO refresh_tokens (hash, session_id, created_at)
                SELECT :token_hash, id, created_at FROM opened
                """,
                {
                    "id": session.id,
                    "user_id": session.user_id,
                    "scopes": sorted(session.scopes),
                    "all_scopes": session.all_scopes,
                    "user_agent": session.device.user_agent,
                    "address": session.device.address,
                    "created_at": session.created_at,
                    "last_used_at": session.last_used_at,
                    "expires_at": session.expires_at,
                    "token_hash": token_hash,
                },
            )
        except asyncpg.ForeignKeyViolationError:
            return False
        return True

    async def live(self, session_ids: Collection[UUID], now: datetime) -> Collection[UUID]:
        rows = await self._connection.fetch_all(
            "SELECT id FROM sessions WHERE id = ANY(:ids) AND expires_at > :now",
            {"ids": list(session_ids), "now": now},
        )
        return [row["id"] for row in rows]

    async def of_user(self, user_id: UUID, now: datetime) -> Sequence[Session]:
        rows = await self._connection.fetch_all(
            """
            SELECT * FROM sessions WHERE user_id = :user_id AND expires_at > :now
            ORDER BY last_used_at DESC, id DESC
            """,
            {"user_id": user_id, "now": now},
        )
        return [_session(row) for row in rows]

    async def lock_by_refresh_token(self, token_hash: bytes) -> Session | None:
        row = await self._connection.fetch_one(
            """
            SELECT * FROM sessions
            WHERE id = (SELECT session_id FROM refresh_tokens WHERE hash = :hash)
            FOR UPDATE
            """,
            {"hash": token_hash},
        )
        return _session(row) if row else None

    async def prolong(
        self, session_id: UUID, *, now: datetime, expires_at: datetime, all_scopes: bool
    ) -> None:
        await self._connection.execute(
            """
            UPDATE sessions
            SET last_used_at = :now, expires_at = :expires_at, all_scopes = :all_scopes
            WHERE id = :id
            """,
            {"id": session_id, "now": now, "expires_at": expires_at, "all_scopes": all_scopes},
        )

    async def end(self, user_id: UUID, now: datetime, only: UUID | None = None) -> Sequence[UUID]:
        rows = await self._connection.fetch_all(
            """
            WITH ended AS (
                DELETE FROM sessions
                WHERE user_id = :user_id AND (CAST(:only AS uuid) IS NULL OR id = :only)
                RETURNING id
            )
            INSERT INTO ended_sessions (session_id, ended_at)
            SELECT id, :now FROM ended
            RETURNING session_id
            """,
            {"user_id": user_id, "now": now, "only": only},
        )
        return [row["session_id"] for row in rows]

    async def ended_since(self, moment: datetime) -> Sequence[UUID]:
        rows = await self._connection.fetch_all(
            "SELECT session_id FROM ended_sessions WHERE ended_at >= :moment", {"moment": moment}
        )
        return [row["session_id"] for row in rows]

    async def purge(
        self, *, expired_at: datetime, ended_before: datetime, used_before: datetime
    ) -> int:
        """Remove the rows that no valid token refers to. Returns their number.

        Those are sessions that expired by `expired_at`, ended sessions from before `ended_before`
        and refresh tokens used before `used_before`.
        """
        rows = await self._connection.fetch_all(
            """
            WITH expired AS (DELETE FROM sessions WHERE expires_at <= :expired_at RETURNING 1),
                 ended AS (DELETE FROM ended_sessions WHERE ended_at < :ended_before RETURNING 1),
                 used AS (DELETE FROM refresh_tokens WHERE used_at < :used_before RETURNING 1)
            SELECT * FROM expired UNION ALL SELECT * FROM ended UNION ALL SELECT * FROM used
            """,
            {"expired_at": expired_at, "ended_before": ended_before, "used_before": used_before},
        )
        return len(rows)


@dataclass(frozen=True, slots=True)
class SqlRefreshTokenRepository:
    _connection: Connection

    async def add(self, token_hash: bytes, session_id: UUID, now: datetime) -> None:
        await self._connection.execute(
            """
            INSERT INTO refresh_tokens (hash, session_id, created_at)
            VALUES (:hash, :session_id, :now)
            """,
            {"hash": token_hash, "session_id": session_id, "now": now},
        )

    async def get(self, token_hash: bytes) -> RefreshToken | None:
        row = await self._connection.fetch_one(
            "SELECT session_id, used_at FROM refresh_tokens WHERE hash = :hash",
            {"hash": token_hash},
        )
        return RefreshToken(row["session_id"], row["used_at"]) if row else None

    async def use(self, token_hash: bytes, now: datetime) -> None:
        await self._connection.execute(
            "UPDATE refresh_tokens SET used_at = :now WHERE hash = :hash",
            {"hash": token_hash, "now": now},
        )


@dataclass(frozen=True, slots=True)
class SqlRepositories:
    users: SqlUserRepository
    sessions: SqlSessionRepository
    refresh_tokens: SqlRefreshTokenRepository
    events: SqlEventOutbox

    @classmethod
    def on(cls, connection: Connection) -> "SqlRepositories":
        return cls(
            SqlUserRepository(connection),
            SqlSessionRepository(connection),
            SqlRefreshTokenRepository(connection),
            SqlEventOutbox(connection),
        )


def _user(row: Row) -> User:
    return User(
        id=row["id"],
        username=row["username"],
        email=row["email"],
        password_hash=row["password_hash"],
        created_at=row["created_at"],
    )


def _known(row: Row) -> Account | DeletedUser:
    if row["deleted_at"]:
        return DeletedUser(row["id"], row["deleted_at"])
    settings = EmailSettings(bool(row["retweet_emails"]), row["email_settings_changed_at"])
    return Account(_user(row), settings)


def _session(row: Row) -> Session:
    return Session(
        id=row["id"],
        user_id=row["user_id"],
        scopes=frozenset(row["scopes"]),
        device=Device(user_agent=row["user_agent"], address=row["address"]),
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        expires_at=row["expires_at"],
        all_scopes=row["all_scopes"],
    )
