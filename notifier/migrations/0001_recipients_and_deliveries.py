"""Recipients, their settings, and the mails to them."""

from alembic import op

revision = "notifier0001"
down_revision = None


def upgrade() -> None:
    for statement in (
        # Settings may arrive before the address. The row of a deleted user keeps only the time of
        # the deletion, so that a late event does not bring the user back.
        """
        CREATE TABLE recipients (
            user_id uuid PRIMARY KEY,
            username text,
            email text,
            retweets boolean NOT NULL DEFAULT false,
            deleted_at timestamptz
        )
        """,
        # The row of a deleted tweet is kept without its text, for the same reason.
        """
        CREATE TABLE tweets (
            id uuid PRIMARY KEY,
            author_id uuid,
            text text,
            noticed_at timestamptz NOT NULL,
            deleted_at timestamptz
        )
        """,
        "CREATE INDEX tweets_author_id ON tweets (author_id)",
        """
        CREATE TABLE deliveries (
            id uuid PRIMARY KEY,
            event_id uuid NOT NULL UNIQUE,
            recipient_id uuid NOT NULL,
            tweet_id uuid NOT NULL,
            message_id text NOT NULL UNIQUE,
            digest boolean NOT NULL,
            state text NOT NULL
                CHECK (state IN ('pending', 'failed', 'sent', 'dead', 'cancelled')),
            attempts integer NOT NULL CHECK (attempts >= 0),
            created_at timestamptz NOT NULL,
            due_at timestamptz NOT NULL,
            taken_at timestamptz,
            sent_at timestamptz,
            last_error text
        )
        """,
        """
        CREATE INDEX deliveries_due_at ON deliveries (due_at)
        WHERE state IN ('pending', 'failed')
        """,
        "CREATE INDEX deliveries_tweet_id_id ON deliveries (tweet_id, id DESC)",
        "CREATE INDEX deliveries_recipient_id ON deliveries (recipient_id)",
        "CREATE INDEX deliveries_dead ON deliveries (created_at) WHERE state = 'dead'",
        """
        CREATE TABLE notices (
            tweet_id uuid NOT NULL,
            retweeter_id uuid NOT NULL,
            retweet_id uuid NOT NULL,
            username text NOT NULL,
            undone boolean NOT NULL,
            delivery_id uuid REFERENCES deliveries ON DELETE SET NULL,
            noticed_at timestamptz NOT NULL,
            PRIMARY KEY (tweet_id, retweeter_id)
        )
        """,
        "CREATE INDEX notices_delivery_id ON notices (delivery_id, retweet_id)",
        "CREATE INDEX notices_retweeter_id ON notices (retweeter_id)",
        """
        CREATE TABLE inbox (
            event_id uuid PRIMARY KEY,
            received_at timestamptz NOT NULL
        )
        """,
        """
        CREATE TABLE rejected_events (
            id uuid PRIMARY KEY,
            raw text NOT NULL,
            reason text NOT NULL,
            rejected_at timestamptz NOT NULL
        )
        """,
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE rejected_events, inbox, notices, deliveries, tweets, recipients")
