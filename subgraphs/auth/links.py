"""The paths of the pages where account mails lead."""

from subgraphs.auth.domain import MailKind

VERIFY_EMAIL = "/account/verify-email"
RESTORE_EMAIL = "/account/restore-email"
FORGOT_PASSWORD = "/account/forgot-password"
RESET_PASSWORD = "/account/reset-password"

_PATHS = {
    MailKind.VERIFY_EMAIL: VERIFY_EMAIL,
    MailKind.CHANGE_EMAIL: VERIFY_EMAIL,
    MailKind.RESET_PASSWORD: RESET_PASSWORD,
    MailKind.EMAIL_CHANGED: RESTORE_EMAIL,
    MailKind.PASSWORD_CHANGED: FORGOT_PASSWORD,
    MailKind.NEW_SIGN_IN: FORGOT_PASSWORD,
    MailKind.ACCOUNT_ENABLED: "/",
    MailKind.SESSIONS_ENDED: FORGOT_PASSWORD,
    MailKind.RESET_REQUIRED: FORGOT_PASSWORD,
    MailKind.PASSWORD_BREACHED: FORGOT_PASSWORD,
    MailKind.ROLES_CHANGED: "/",
}


def link_path(kind: MailKind, code: str) -> str:
    """Return path and query of the page where a mail leads; empty if it leads nowhere."""
    path = _PATHS.get(kind, "")
    return f"{path}?code={code}" if code else path
