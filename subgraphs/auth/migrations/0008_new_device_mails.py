"""The user agent of a sign-in on a new device, which a mail reports."""

from alembic import op

revision = "auth0008"
down_revision = "auth0007"


def upgrade() -> None:
    op.execute("ALTER TABLE account_mails ADD COLUMN user_agent text")


def downgrade() -> None:
    # The release before this one cannot read a mail of this kind.
    op.execute("DELETE FROM account_mails WHERE kind = 'new-sign-in'")
    op.execute("ALTER TABLE account_mails DROP COLUMN user_agent")
