"""A position for each item of a feed."""

from alembic import op

revision = "tweets0003"
down_revision = "tweets0002"


def upgrade() -> None:
    for statement in (
        # A transaction that takes the next position of a feed locks the feed's row until it ends.
        # So positions count up by one, and a reader that sees a position sees all earlier ones,
        # except those of deleted tweets.
        "CREATE TABLE feeds (owner_id uuid PRIMARY KEY, head bigint NOT NULL)",
        """
        ALTER TABLE tweets
            ADD COLUMN feed_owner uuid,
            ADD COLUMN feed_position bigint,
            ADD CONSTRAINT tweets_feed CHECK ((feed_owner IS NULL) = (feed_position IS NULL))
        """,
        """
        CREATE UNIQUE INDEX tweets_feed_owner_position ON tweets (feed_owner, feed_position)
        WHERE feed_owner IS NOT NULL
        """,
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE tweets DROP COLUMN feed_owner, DROP COLUMN feed_position")
    op.execute("DROP TABLE feeds")
