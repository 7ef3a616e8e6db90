"""Whether a session was opened for all scopes.

Null for sessions that the previous release opened, also during the rollout: their next refresh by
this release decides (`Session.has_all_scopes`).
"""

from alembic import op

revision = "auth0004"
down_revision = "auth0003"


def upgrade() -> None:
    op.execute("ALTER TABLE sessions ADD COLUMN all_scopes boolean")


def downgrade() -> None:
    op.execute("ALTER TABLE sessions DROP COLUMN all_scopes")
