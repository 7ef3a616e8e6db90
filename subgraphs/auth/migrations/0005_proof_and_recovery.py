"""Proven addresses, the time of a change of password, and mails about accounts.

Addresses of earlier releases count as not proven.
"""

from alembic import op

revision = "auth0005"
down_revision = "auth0004"


def upgrade() -> None:
    for statement in (
        """
        ALTER TABLE users
            ADD COLUMN email_verified_at timestamptz,
            ADD COLUMN password_changed_at timestamptz
        """,
        # No code is stored: it follows from the seed and a secret of the environment.
        """
        CREATE TABLE account_mails (
            id uuid PRIMARY KEY,
            kind text NOT NULL,
            address text NOT NULL,
            user_id uuid REFERENCES users ON DELETE CASCADE,
            seed bytea NOT NULL,
            hash bytea NOT NULL UNIQUE,
            created_at timestamptz NOT NULL,
            expires_at timestamptz,
            attempts integer NOT NULL DEFAULT 0
        )
        """,
        "CREATE INDEX account_mails_user_id ON account_mails (user_id)",
        """
        CREATE INDEX account_mails_reserved ON account_mails (lower(address))
        WHERE kind = 'email-changed'
        """,
        "CREATE INDEX account_mails_created_at ON account_mails (created_at)",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE account_mails")
    op.execute("ALTER TABLE users DROP COLUMN email_verified_at, DROP COLUMN password_changed_at")
