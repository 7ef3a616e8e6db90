"""The outbox, and the dead letters: events of other services that could not be handled."""

from alembic import op

from chassis.outbox import SCHEMA

revision = "tweets0002"
down_revision = "tweets0001"


def upgrade() -> None:
    for statement in (
        *SCHEMA,
        """
        CREATE TABLE rejected_events (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            event text NOT NULL,
            reason text NOT NULL,
            rejected_at timestamptz NOT NULL DEFAULT now()
        )
        """,
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE rejected_events, outbox")
