"""Facts about an address that outlive its account; a window for each user, not each tweet."""

from alembic import op

revision = "notifier0005"
down_revision = "notifier0003"


def upgrade() -> None:
    for statement in (
        # A keyed digest, because it outlives the account and must not reveal the address.
        """
        CREATE TABLE addresses (
            digest bytea PRIMARY KEY,
            unsubscribed_at timestamptz,
            resting_until timestamptz
        )
        """,
        # Finds the newest mail to a user. It replaces the index on the user alone.
        "CREATE INDEX deliveries_recipient_id_id ON deliveries (recipient_id, id DESC)",
        "DROP INDEX deliveries_recipient_id",
        # The release before this one still needs `deliveries_tweet_id_id`.
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("CREATE INDEX deliveries_recipient_id ON deliveries (recipient_id)")
    op.execute("DROP INDEX deliveries_recipient_id_id")
    op.execute("DROP TABLE addresses")
