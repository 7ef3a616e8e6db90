"""What is remembered of an address by itself, and windows that are a person's, not a tweet's."""

from alembic import op

revision = "notifier0005"
down_revision = "notifier0003"


def upgrade() -> None:
    for statement in (
        # A keyed digest: it outlives the account, so it must not be the address.
        """
        CREATE TABLE addresses (
            digest bytea PRIMARY KEY,
            unsubscribed_at timestamptz,
            resting_until timestamptz
        )
        """,
        # The newest mail to a person. It does what the index on the person alone did.
        "CREATE INDEX deliveries_recipient_id_id ON deliveries (recipient_id, id DESC)",
        "DROP INDEX deliveries_recipient_id",
        # `deliveries_tweet_id_id` stays for the release before this one.
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("CREATE INDEX deliveries_recipient_id ON deliveries (recipient_id)")
    op.execute("DROP INDEX deliveries_recipient_id_id")
    op.execute("DROP TABLE addresses")
