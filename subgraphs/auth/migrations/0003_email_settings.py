"""E-mail settings of accounts, deleted accounts, and the backfill of both."""

from alembic import op

from chassis.backfill import SCHEMA

revision = "auth0003"
down_revision = "auth0002"


def upgrade() -> None:
    for statement in (
        # Null in accounts of earlier releases: the backfill asks the notifier for the settings.
        """
        ALTER TABLE users
            ADD COLUMN retweet_emails boolean,
            ADD COLUMN email_settings_changed_at timestamptz
        """,
        # For services that start after an account was deleted.
        "CREATE TABLE deleted_users (id uuid PRIMARY KEY, deleted_at timestamptz NOT NULL)",
        *SCHEMA,
        """
        CREATE TABLE rejected_events (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            event text NOT NULL,
            reason text NOT NULL,
            rejected_at timestamptz NOT NULL DEFAULT now()
        )
        """,
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE rejected_events, backfills, deleted_users")
    op.execute(
        "ALTER TABLE users DROP COLUMN retweet_emails, DROP COLUMN email_settings_changed_at"
    )
