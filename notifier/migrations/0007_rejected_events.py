"""Rejected events have the columns of every service, for the chassis."""

from alembic import op

revision = "notifier0007"
down_revision = "notifier0006"


def upgrade() -> None:
    for statement in (
        """
        ALTER TABLE rejected_events
            ADD COLUMN event text,
            ALTER id SET DEFAULT gen_random_uuid(),
            ALTER rejected_at SET DEFAULT now()
        """,
        "UPDATE rejected_events SET event = raw",
        "ALTER TABLE rejected_events ALTER event SET NOT NULL",
        # The release before this one writes and reads `raw`. A later release can drop it.
        """
        CREATE FUNCTION same_event_and_raw() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.event := coalesce(NEW.event, NEW.raw);
            NEW.raw := NEW.event;
            RETURN NEW;
        END $$
        """,
        """
        CREATE TRIGGER same_event_and_raw BEFORE INSERT ON rejected_events
        FOR EACH ROW EXECUTE FUNCTION same_event_and_raw()
        """,
    ):
        op.execute(statement)


def downgrade() -> None:
    for statement in (
        "DROP TRIGGER same_event_and_raw ON rejected_events",
        "DROP FUNCTION same_event_and_raw()",
        """
        ALTER TABLE rejected_events
            DROP COLUMN event, ALTER id DROP DEFAULT, ALTER rejected_at DROP DEFAULT
        """,
    ):
        op.execute(statement)
