"""The SQL of sessions and refresh tokens."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection, Row
from subgraphs.auth.domain import Device, RefreshToken, Session, User


@dataclass(frozen=True, slots=True)
class SqlSessionRepository:
    _connection: Connection

    async def open(self, session: Session, user: User, token_hash: bytes) -> bool:
        # The lock waits for a change of the password or the roles, and then reads the user again.
        opened = await self._connection.fetch_val(
            """
            WITH account AS (
                SELECT id FROM users
                WHERE id = :user_id AND password_changed_at IS NOT DISTINCT FROM :changed_at
                    AND disabled_at IS NULL
                    AND roles @> CAST(:roles AS text[]) AND roles <@ CAST(:roles AS text[])
                FOR KEY SHARE
            ), opened AS (
                INSERT INTO sessions (id, user_id, scopes, all_scopes, user_agent, address,
                                      created_at, last_used_at, expires_at)
                SELECT :id, account.id, :scopes, :all_scopes, :user_agent, :address,
                       :created_at, :last_used_at, :expires_at FROM account
                RETURNING id, created_at
            )
            INSERT INTO refresh_tokens (hash, session_id, created_at)
            SELECT :token_hash, id, created_at FROM opened
            RETURNING true
            """,
            {
                "id": session.id,
                "user_id": user.id,
                "changed_at": user.password_changed_at,
                "roles": sorted(user.roles),
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
        return bool(opened)

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

    async def prolong(self, session: Session) -> None:
        await self._connection.execute(
            """
            UPDATE sessions
            SET last_used_at = :last_used_at, expires_at = :expires_at, all_scopes = :all_scopes
            WHERE id = :id
            """,
            {
                "id": session.id,
                "last_used_at": session.last_used_at,
                "expires_at": session.expires_at,
                "all_scopes": session.all_scopes,
            },
        )

    async def end(
        self,
        user_id: UUID,
        now: datetime,
        *,
        only: UUID | None = None,
        keep: UUID | None = None,
    ) -> Sequence[UUID]:
        rows = await self._connection.fetch_all(
            """
            WITH ended AS (
                DELETE FROM sessions
                WHERE user_id = :user_id AND (CAST(:only AS uuid) IS NULL OR id = :only)
                    AND id IS DISTINCT FROM :keep
                RETURNING id
            )
            INSERT INTO ended_sessions (session_id, ended_at)
            SELECT id, :now FROM ended
            RETURNING session_id
            """,
            {"user_id": user_id, "now": now, "only": only, "keep": keep},
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
