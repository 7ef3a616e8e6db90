"""How far the backfill of what others own has got."""

from alembic import op

from chassis.backfill import SCHEMA, finished_row

revision = "tweets0005"
down_revision = "tweets0003"


def upgrade() -> None:
    # A database with tweets has followed auth all along.
    for statement in (*SCHEMA, finished_row("auth", "tweets")):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE backfills")
