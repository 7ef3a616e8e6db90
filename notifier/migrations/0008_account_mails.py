"""Mails about accounts; proven and undeliverable addresses."""

from alembic import op

revision = "notifier0008"
down_revision = "notifier0007"


def upgrade() -> None:
    for statement in (
        # Of a mail about an account only the id is stored: auth has the address and the content.
        """
        ALTER TABLE deliveries
            ADD COLUMN account_mail_id uuid,
            ALTER recipient_id DROP NOT NULL,
            ALTER tweet_id DROP NOT NULL
        """,
        """
        ALTER TABLE deliveries ADD CONSTRAINT deliveries_one_kind CHECK (
            CASE WHEN account_mail_id IS NULL
            THEN recipient_id IS NOT NULL AND tweet_id IS NOT NULL
            ELSE recipient_id IS NULL AND tweet_id IS NULL AND NOT digest AND state <> 'waiting'
            END
        ) NOT VALID
        """,
        # A password reset is found at once behind any number of due digests.
        """
        CREATE INDEX deliveries_account_mails_due_at ON deliveries (due_at)
        WHERE account_mail_id IS NOT NULL AND state IN ('pending', 'failed')
        """,
        "ALTER TABLE recipients ADD COLUMN email_verified_at timestamptz",
        # Finds the mails that wait for a registration, without reading those that wait for a proof.
        """
        CREATE INDEX recipients_not_registered ON recipients (user_id)
        WHERE username IS NULL AND deleted_at IS NULL
        """,
        "ALTER TABLE addresses ADD COLUMN undeliverable_since timestamptz",
    ):
        op.execute(statement)


def downgrade() -> None:
    for statement in (
        "ALTER TABLE addresses DROP COLUMN undeliverable_since",
        "DROP INDEX recipients_not_registered",
        "ALTER TABLE recipients DROP COLUMN email_verified_at",
        # The release before this one would wait for an address in vain.
        "DELETE FROM deliveries WHERE account_mail_id IS NOT NULL",
        """
        UPDATE deliveries SET state = 'pending' FROM recipients
        WHERE user_id = recipient_id AND email IS NOT NULL AND state = 'waiting'
        """,
        """
        ALTER TABLE deliveries
            DROP CONSTRAINT deliveries_one_kind,
            DROP COLUMN account_mail_id,
            ALTER recipient_id SET NOT NULL,
            ALTER tweet_id SET NOT NULL
        """,
    ):
        op.execute(statement)
