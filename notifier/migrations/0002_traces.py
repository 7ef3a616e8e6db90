"""A delivery has the trace of its event; sending the mail continues it."""

from alembic import op

revision = "notifier0002"
down_revision = "notifier0001"


def upgrade() -> None:
    op.execute("ALTER TABLE deliveries ADD COLUMN traceparent text")


def downgrade() -> None:
    op.execute("ALTER TABLE deliveries DROP COLUMN traceparent")
