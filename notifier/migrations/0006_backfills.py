"""An outbox, the time of a choice, and how far the backfill of what others own has got."""

from alembic import op

from chassis import backfill, outbox

revision = "notifier0006"
down_revision = "notifier0005"


def upgrade() -> None:
    for statement in (
        *outbox.SCHEMA,
        # Null for what was chosen at sign-up, and for what was changed in an earlier release.
        "ALTER TABLE recipients ADD COLUMN settings_changed_at timestamptz",
        *backfill.SCHEMA,
        # A database with recipients has followed auth all along.
        backfill.finished_row("auth", "recipients"),
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE backfills, outbox")
    op.execute("ALTER TABLE recipients DROP COLUMN settings_changed_at")
