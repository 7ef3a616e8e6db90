"""How far the backfill from auth has got, and what was deleted, for services that were away."""

from alembic import op

from chassis.backfill import SCHEMA, finished_row

revision = "tweets0005"
down_revision = "tweets0004"


def upgrade() -> None:
    # A database with tweets has followed auth all along.
    for statement in (
        *SCHEMA,
        finished_row("auth", "tweets"),
        # The event of the deletion, which holds ids only.
        "CREATE TABLE deleted_tweets (id uuid PRIMARY KEY, event text NOT NULL)",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE deleted_tweets, backfills")
