"""Writes mails about accounts: fetches their content from auth and renders it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from notifier.domain import AccountMail, AccountMailKind, Draft, Mail, ReportedSignIn
from notifier.errors import MailNotWanted
from notifier.ports import AccountMails, Write
from notifier.templates import render

_GROUP = 4
"""Digits of a code that are shown together."""


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of one kind of mail. `{product}` and `{username}` are replaced in them.

    `{sign_in}` in `lead` is the device and the time of the sign-in that the mail reports.
    """

    headline: str
    lead: str
    button: str
    """Empty for a mail without a link."""
    validity: str
    """`{time}` in it is the time in which the code is valid. Empty for a mail without a code."""
    otherwise: str
    """The last paragraph: for a reader who did not ask for the mail or the change."""


_BOTH = "The link and the code are valid for {time}."
_FROM_OPERATOR = "If you have a question, write to those who run {product}."
_WORDS = {
    AccountMailKind.VERIFY_EMAIL: _Words(
        "Verify your address",
        "{username}, verify that this is your address. Until then, {product} sends no other mail "
        "to it.",
        "Verify this address",
        _BOTH,
        "If you have no account with {product}, ignore this mail.",
    ),
    AccountMailKind.CHANGE_EMAIL: _Words(
        "Verify your new address",
        "{username}, verify that this is the new address of your {product} account. It takes "
        "effect then.",
        "Verify the new address",
        _BOTH,
        "If you did not ask for this, ignore this mail. Nothing changes.",
    ),
    AccountMailKind.RESET_PASSWORD: _Words(
        "Reset your password",
        "{username}, a new password was asked for your {product} account. Choosing one signs out "
        "all your devices.",
        "Choose a new password",
        _BOTH,
        "If you did not ask for this, ignore this mail. Your password stays as it is.",
    ),
    AccountMailKind.EMAIL_CHANGED: _Words(
        "Your address was changed",
        "{username}, your {product} account now has another address. If you changed it, you have "
        "nothing to do. If not, take this address back.",
        "Take this address back",
        "The link is valid for {time}.",
        "Taking it back signs out all devices, and a mail follows with which you choose a new "
        "password.",
    ),
    AccountMailKind.PASSWORD_CHANGED: _Words(
        "Your password was changed",
        "{username}, the password of your {product} account was changed. If you changed it, you "
        "have nothing to do. If not, reset it now.",
        "Reset your password",
        "",
        "Resetting it signs out all devices.",
    ),
    AccountMailKind.ACCOUNT_DISABLED: _Words(
        "Your account was disabled",
        "{username}, those who run {product} have disabled your account. All devices are signed "
        "out, and sign-in is refused.",
        "",
        "",
        "If you think that this is a mistake, write to those who run {product}.",
    ),
    AccountMailKind.ACCOUNT_ENABLED: _Words(
        "Your account is enabled again",
        "{username}, those who run {product} have enabled your account again. You can sign in.",
        "Sign in",
        "",
        _FROM_OPERATOR,
    ),
    AccountMailKind.SESSIONS_ENDED: _Words(
        "You were signed out everywhere",
        "{username}, those who run {product} have signed out all your devices. You can sign in "
        "again. If another person may know your password, reset it now.",
        "Reset your password",
        "",
        _FROM_OPERATOR,
    ),
    AccountMailKind.RESET_REQUIRED: _Words(
        "Choose a new password",
        "{username}, those who run {product} have removed the password of your account and signed "
        "out all your devices. Choose a new password to sign in.",
        "Reset your password",
        "",
        _FROM_OPERATOR,
    ),
    AccountMailKind.ACCOUNT_DELETED: _Words(
        "Your account was deleted",
        "{username}, those who run {product} have deleted your account and its data.",
        "",
        "",
        "If you think that this is a mistake, write to those who run {product}.",
    ),
    AccountMailKind.NEW_SIGN_IN: _Words(
        "New sign-in to your account",
        "{username}, your {product} account was opened on a device that {product} does not "
        "recognise: {sign_in}. If it was you, you have nothing to do. If not, choose a new "
        "password now.",
        "Choose a new password",
        "",
        "Choosing one signs out all devices.",
    ),
    AccountMailKind.PASSWORD_BREACHED: _Words(
        "Your password has leaked",
        "{username}, the password of your {product} account is in a public list of leaked "
        "passwords, most of which come from other sites. Attackers try such passwords. Choose a "
        "new one, here and wherever else you use it.",
        "Choose a new password",
        "",
        "Choosing one signs out all devices.",
    ),
    AccountMailKind.ROLES_CHANGED: _Words(
        "What you may do has changed",
        "{username}, those who run {product} have changed the roles of your account, which say "
        "what it may do. All devices are signed out. Sign in again to go on.",
        "Sign in",
        "",
        "If you have a question, write to those who run {product}.",
    ),
}


@dataclass(frozen=True, slots=True)
class AccountMailRenderer:
    """`public_url` is the address of the edge, without a slash at its end."""

    product: str
    public_url: str

    def __call__(self, mail: AccountMail, message_id: str) -> Mail:
        words = _WORDS[mail.kind]
        values = {
            "product": self.product,
            "username": mail.username,
            "sign_in": described(mail.sign_in) if mail.sign_in else "",
        }
        content = {
            **values,
            "headline": words.headline,
            "lead": words.lead.format(**values),
            "button": words.button,
            "url": mail.link_path and f"{self.public_url}{mail.link_path}",
            "code": grouped(mail.short_code),
            "validity": mail.valid_for and words.validity.format(time=spelled(mail.valid_for)),
            "otherwise": words.otherwise.format(**values),
        }
        return Mail(
            message_id=message_id,
            to=mail.address,
            to_name=mail.username,
            subject=words.headline,
            text=render("account.txt", **content),
            html=render("account.html", **content),
        )


def mail_writer(
    retweets: Write,
    accounts: AccountMails,
    renderer: AccountMailRenderer,
    undeliverable_since: Callable[[str], Awaitable[datetime | None]],
) -> Write:
    """Return the writer of every mail; `retweets` writes those about retweets.

    `undeliverable_since` returns when the mail server last refused an address, or None.
    """

    async def write(draft: Draft) -> Mail:
        delivery = draft.delivery
        if delivery.account_mail_id is None:
            return await retweets(draft)
        mail = await accounts.fetch(delivery.account_mail_id)
        if not mail.kind.ignores_refusals and await undeliverable_since(mail.address):
            raise MailNotWanted("the address is undeliverable")
        return renderer(mail, delivery.message_id)

    return write


def described(sign_in: ReportedSignIn) -> str:
    """Return `Firefox on Linux, 29 November 2026, 01:24 UTC`, without names that are not known."""
    names = [name for name in (sign_in.browser, sign_in.system) if name]
    at = sign_in.at.astimezone(UTC)
    return f"{' on '.join(names) or 'an unknown program'}, {at.day} {at:%B %Y, %H:%M} UTC"


def grouped(code: str) -> str:
    """Return `1234 5678` for `12345678`."""
    return " ".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))


def spelled(time: timedelta) -> str:
    """Return `3 days`, `1 hour` or `10 minutes`, in the largest unit without a remainder.

    Seconds beyond whole minutes are left out.
    """
    minutes = int(time.total_seconds()) // 60
    number, unit = minutes, "minute"
    for larger, length in (("day", 24 * 60), ("hour", 60)):
        if minutes % length == 0:
            number, unit = minutes // length, larger
            break
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
