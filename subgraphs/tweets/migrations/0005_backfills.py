"""The progress of the backfill from auth, and the deletions, for services that start late."""

from alembic import op

from chassis.backfill import SCHEMA, finished_row

revision = "tweets0005"
down_revision = "tweets0004"


def upgrade() -> None:
    # A database that has tweets already has consumed all events of auth: no backfill is due.
    for statement in (
        *SCHEMA,
        finished_row("auth", "tweets"),
        # The event of the deletion, which holds ids only.
        "CREATE TABLE deleted_tweets (id uuid PRIMARY KEY, event text NOT NULL)",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE deleted_tweets, backfills")
