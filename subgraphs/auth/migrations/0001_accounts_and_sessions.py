"""Accounts, sessions and refresh tokens."""

from alembic import op

revision = "auth0001"
down_revision = None


def upgrade() -> None:
    for statement in (
        """
        CREATE TABLE users (
            id uuid PRIMARY KEY,
            username text NOT NULL,
            email text NOT NULL,
            password_hash text NOT NULL,
            created_at timestamptz NOT NULL
        )
        """,
        "CREATE UNIQUE INDEX users_username_key ON users (lower(username))",
        "CREATE UNIQUE INDEX users_email_key ON users (lower(email))",
        """
        CREATE TABLE sessions (
            id uuid PRIMARY KEY,
            user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
            scopes text[] NOT NULL,
            user_agent text NOT NULL,
            address text NOT NULL,
            created_at timestamptz NOT NULL,
            last_used_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL
        )
        """,
        "CREATE INDEX sessions_user_id ON sessions (user_id)",
        "CREATE INDEX sessions_expires_at ON sessions (expires_at)",
        """
        CREATE TABLE refresh_tokens (
            hash bytea PRIMARY KEY,
            session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
            created_at timestamptz NOT NULL,
            used_at timestamptz
        )
        """,
        "CREATE INDEX refresh_tokens_session_id ON refresh_tokens (session_id)",
        # Sessions that ended before their last access token expires. A table without a foreign key:
        # the account may be deleted while that token is still valid.
        """
        CREATE TABLE ended_sessions (
            session_id uuid PRIMARY KEY,
            ended_at timestamptz NOT NULL
        )
        """,
        "CREATE INDEX ended_sessions_ended_at ON ended_sessions (ended_at)",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE ended_sessions, refresh_tokens, sessions, users")
