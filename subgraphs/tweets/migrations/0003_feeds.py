"""A place for each piece of news in the feed of the person whom it is for."""

from alembic import op

revision = "tweets0003"
down_revision = "tweets0002"


def upgrade() -> None:
    for statement in (
        # Whoever takes the next place of a feed holds its row until the end of the transaction.
        # So places count up by one, and what is seen of a feed has no place missing before it but
        # those of deleted tweets.
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
