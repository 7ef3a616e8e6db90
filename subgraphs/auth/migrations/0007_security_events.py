"""Security events, and what operators do to accounts."""

from alembic import op

revision = "auth0007"
down_revision = "auth0006"


def upgrade() -> None:
    for statement in (
        # Without a foreign key: the events of a deleted account stay until they are purged, because
        # a thief may have deleted it.
        """
        CREATE TABLE security_events (
            user_id uuid NOT NULL,
            id uuid NOT NULL,
            kind text NOT NULL,
            at timestamptz NOT NULL,
            session_id uuid,
            user_agent text,
            address text,
            operator text,
            reason text,
            PRIMARY KEY (user_id, id)
        )
        """,
        # For the purge. Rows lie in the order of their time, so this index takes next to no space.
        "CREATE INDEX security_events_at ON security_events USING brin (at)",
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'rows of % never change', TG_TABLE_NAME; END $$
        """,
        """
        CREATE TRIGGER security_events_never_change BEFORE UPDATE ON security_events
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """,
        "ALTER TABLE users ADD COLUMN disabled_at timestamptz",
        # Of a deleted account: a mail about its deletion names it, and no row of users does.
        "ALTER TABLE account_mails ADD COLUMN username text",
    ):
        op.execute(statement)


def downgrade() -> None:
    # The release before this one cannot read mails of these kinds.
    op.execute(
        """
        DELETE FROM account_mails WHERE kind IN ('account-disabled', 'account-enabled',
            'sessions-ended', 'reset-required', 'account-deleted', 'roles-changed')
        """
    )
    op.execute("ALTER TABLE account_mails DROP COLUMN username")
    op.execute("ALTER TABLE users DROP COLUMN disabled_at")
    op.execute("DROP TABLE security_events")
    op.execute("DROP FUNCTION refuse_change()")
