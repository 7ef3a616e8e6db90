"""All SQL of the auth service."""

from dataclasses import dataclass

from chassis.database import Connection
from chassis.outbox import SqlEventOutbox
from subgraphs.auth.repository.account_mails import SqlAccountMailRepository
from subgraphs.auth.repository.security_events import SqlSecurityEventRepository
from subgraphs.auth.repository.sessions import SqlRefreshTokenRepository, SqlSessionRepository
from subgraphs.auth.repository.users import SqlUserRepository


@dataclass(frozen=True, slots=True)
class SqlRepositories:
    users: SqlUserRepository
    sessions: SqlSessionRepository
    refresh_tokens: SqlRefreshTokenRepository
    account_mails: SqlAccountMailRepository
    security_events: SqlSecurityEventRepository
    events: SqlEventOutbox

    @classmethod
    def on(cls, connection: Connection) -> "SqlRepositories":
        return cls(
            SqlUserRepository(connection),
            SqlSessionRepository(connection),
            SqlRefreshTokenRepository(connection),
            SqlAccountMailRepository(connection),
            SqlSecurityEventRepository(connection),
            SqlEventOutbox(connection),
        )
