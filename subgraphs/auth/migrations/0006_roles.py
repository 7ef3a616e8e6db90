"""The roles of accounts, besides the role `user`, which every account has."""

from alembic import op

revision = "auth0006"
down_revision = "auth0005"


def upgrade() -> None:
    op.execute("ALTER TABLE users ADD COLUMN roles text[] NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    op.execute("ALTER TABLE users DROP COLUMN roles")
