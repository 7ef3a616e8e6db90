"""When an account was told, by mail, that its password is in a list of leaked ones."""

from alembic import op

revision = "auth0009"
down_revision = "auth0008"


def upgrade() -> None:
    op.execute("ALTER TABLE users ADD COLUMN breach_reported_at timestamptz")


def downgrade() -> None:
    # The release before this one cannot read a mail of this kind.
    op.execute("DELETE FROM account_mails WHERE kind = 'password-breached'")
    op.execute("ALTER TABLE users DROP COLUMN breach_reported_at")
