"""The outbox."""

from alembic import op

from chassis.outbox import SCHEMA

revision = "auth0002"
down_revision = "auth0001"


def upgrade() -> None:
    for statement in SCHEMA:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE outbox")
