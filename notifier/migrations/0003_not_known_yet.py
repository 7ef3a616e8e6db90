"""A retweet may arrive before its author's registration: settings and address are unknown then."""

from alembic import op

revision = "notifier0003"
down_revision = "notifier0002"


def upgrade() -> None:
    for statement in (
        # Null: the settings are unknown.
        "ALTER TABLE recipients ALTER retweets DROP NOT NULL, ALTER retweets DROP DEFAULT",
        "ALTER TABLE deliveries DROP CONSTRAINT deliveries_state_check",
        """
        ALTER TABLE deliveries ADD CONSTRAINT deliveries_state_check
        CHECK (state IN ('waiting', 'pending', 'failed', 'sent', 'dead', 'cancelled')) NOT VALID
        """,
        "CREATE INDEX deliveries_waiting ON deliveries (created_at) WHERE state = 'waiting'",
        # Until now these failed at each attempt.
        """
        UPDATE deliveries SET state = 'waiting' FROM recipients
        WHERE user_id = recipient_id AND email IS NULL AND state IN ('pending', 'failed')
        """,
    ):
        op.execute(statement)


def downgrade() -> None:
    for statement in (
        "DROP INDEX deliveries_waiting",
        "UPDATE deliveries SET state = 'pending' WHERE state = 'waiting'",
        "ALTER TABLE deliveries DROP CONSTRAINT deliveries_state_check",
        """
        ALTER TABLE deliveries ADD CONSTRAINT deliveries_state_check
        CHECK (state IN ('pending', 'failed', 'sent', 'dead', 'cancelled'))
        """,
        "UPDATE recipients SET retweets = false WHERE retweets IS NULL",
        "ALTER TABLE recipients ALTER retweets SET DEFAULT false, ALTER retweets SET NOT NULL",
    ):
        op.execute(statement)
