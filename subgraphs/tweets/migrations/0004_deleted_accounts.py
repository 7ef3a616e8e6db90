"""A feed's row outlives its owner's account, so that later writes by the owner are refused."""

from alembic import op

revision = "tweets0004"
down_revision = "tweets0003"


def upgrade() -> None:
    # Every write by an author locks the row of their feed, and so does the deletion: either the
    # write sees `deleted_at`, or the deletion sees what was written.
    op.execute("ALTER TABLE feeds ADD COLUMN deleted_at timestamptz")


def downgrade() -> None:
    op.execute("DELETE FROM feeds WHERE deleted_at IS NOT NULL")
    op.execute("ALTER TABLE feeds DROP COLUMN deleted_at")
