"""An outbox, the time of a change of settings, and the progress of backfills."""

from alembic import op

from chassis import backfill, outbox

revision = "notifier0006"
down_revision = "notifier0005"


def upgrade() -> None:
    for statement in (
        *outbox.SCHEMA,
        # Null for the settings of sign-up, and for a change made in an earlier release.
        "ALTER TABLE recipients ADD COLUMN settings_changed_at timestamptz",
        *backfill.SCHEMA,
        # A database with recipients has consumed auth's events from the start.
        backfill.finished_row("auth", "recipients"),
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE backfills, outbox")
    op.execute("ALTER TABLE recipients DROP COLUMN settings_changed_at")
