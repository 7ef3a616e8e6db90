"""Tweets and retweets, in one table."""

from alembic import op

revision = "tweets0001"
down_revision = None


def upgrade() -> None:
    for statement in (
        # A retweet is a row without text. It refers to an original, never to another retweet, and
        # only originals have a count.
        """
        CREATE TABLE tweets (
            id uuid PRIMARY KEY,
            author_id uuid NOT NULL,
            author_username text NOT NULL,
            text text,
            retweet_of uuid REFERENCES tweets ON DELETE CASCADE,
            created_at timestamptz NOT NULL,
            retweet_count integer NOT NULL DEFAULT 0 CHECK (retweet_count >= 0),
            idempotency_key text,
            CONSTRAINT tweets_text_or_retweet CHECK ((text IS NULL) = (retweet_of IS NOT NULL))
        )
        """,
        "CREATE INDEX tweets_author_id_id ON tweets (author_id, id DESC)",
        """
        CREATE UNIQUE INDEX tweets_one_retweet ON tweets (author_id, retweet_of)
        WHERE retweet_of IS NOT NULL
        """,
        """
        CREATE UNIQUE INDEX tweets_idempotency_key ON tweets (author_id, idempotency_key)
        WHERE idempotency_key IS NOT NULL
        """,
        # Finds the retweets to delete together with their original.
        "CREATE INDEX tweets_retweet_of ON tweets (retweet_of) WHERE retweet_of IS NOT NULL",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE tweets")
