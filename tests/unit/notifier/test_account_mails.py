"""The text of mails about accounts, compared with the files in `mails/`.

After an intended change run `UPDATE_MAILS=1 python -m pytest <this file>` and review the diff.
"""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from notifier.account_mails import AccountMailRenderer, described, grouped, spelled
from notifier.domain import AccountMail, AccountMailKind, Mail, ReportedSignIn
from tests.unit.notifier.fakes import account_mail

MAILS = Path(__file__).with_name("mails")
WITH_SHORT_CODE = {
    AccountMailKind.VERIFY_EMAIL: "/account/verify-email?code=c0de",
    AccountMailKind.CHANGE_EMAIL: "/account/verify-email?code=c0de",
    AccountMailKind.RESET_PASSWORD: "/account/reset-password?code=c0de",
}
PATHS = {
    **WITH_SHORT_CODE,
    AccountMailKind.EMAIL_CHANGED: "/account/restore-email?code=c0de",
    AccountMailKind.PASSWORD_CHANGED: "/account/forgot-password",
    AccountMailKind.NEW_SIGN_IN: "/account/forgot-password",
    AccountMailKind.PASSWORD_BREACHED: "/account/forgot-password",
    AccountMailKind.ACCOUNT_ENABLED: "/",
    AccountMailKind.ROLES_CHANGED: "/",
    AccountMailKind.SESSIONS_ENDED: "/account/forgot-password",
    AccountMailKind.RESET_REQUIRED: "/account/forgot-password",
}


SIGN_IN = ReportedSignIn(datetime(2026, 11, 29, 1, 4, 59, tzinfo=UTC), "Firefox", "Linux")


def content(kind: AccountMailKind) -> AccountMail:
    path = PATHS.get(kind, "")
    if kind in WITH_SHORT_CODE:
        return account_mail(kind=kind, link_path=path)
    sign_in = SIGN_IN if kind is AccountMailKind.NEW_SIGN_IN else None
    days = 3 if kind is AccountMailKind.EMAIL_CHANGED else 0
    return account_mail(
        kind=kind, link_path=path, short_code="", valid_for=timedelta(days=days), sign_in=sign_in
    )


def rendered(mail: AccountMail) -> Mail:
    return AccountMailRenderer("Chirp", "https://chirp.example")(mail, "<1@chirp.example>")


@pytest.mark.parametrize("kind", AccountMailKind)
class TestCommittedMails:
    @pytest.mark.parametrize("part", ["txt", "html"])
    def test_mail_equals_the_committed_file(self, kind: AccountMailKind, part: str) -> None:
        mail = rendered(content(kind))
        text = mail.text if part == "txt" else mail.html
        file = MAILS / f"{kind}.{part}"
        if os.environ.get("UPDATE_MAILS"):
            file.write_text(text)
        assert text == file.read_text()

    def test_link_code_and_time_are_in_both_parts(self, kind: AccountMailKind) -> None:
        given = content(kind)
        mail = rendered(given)
        for part in (mail.text, mail.html):
            link = f"https://chirp.example{given.link_path}"
            assert (link in part) is bool(given.link_path)
            assert ("1234 5678" in part) is bool(given.short_code)
            assert (spelled(given.valid_for) in part) is bool(given.valid_for)

    def test_code_is_not_in_the_subject_or_the_preview(self, kind: AccountMailKind) -> None:
        mail = rendered(content(kind))
        preview = mail.html.partition("mso-hide:all;")[2].partition("</div>")[0]
        assert "1234" not in mail.subject + preview

    def test_mail_without_a_link_or_a_code_is_complete(self, kind: AccountMailKind) -> None:
        mail = rendered(account_mail(kind=kind, link_path="", short_code="", valid_for=timedelta()))
        assert "https://" not in mail.text
        assert "code:" not in mail.text + mail.html
        assert "valid for" not in mail.text + mail.html


class TestRenderer:
    def test_username_is_escaped_and_not_a_template(self) -> None:
        mail = rendered(account_mail(username="<b>{product}{{7*7}}</b>"))
        assert "&lt;b&gt;{product}{{7*7}}&lt;/b&gt;" in mail.html
        assert "<b>{product}{{7*7}}</b>" in mail.text

    def test_signature_delimiter_ends_in_a_space(self) -> None:
        assert "\n-- \n" in rendered(account_mail()).text


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (timedelta(minutes=10), "10 minutes"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=3), "3 days"),
        (timedelta(minutes=10, seconds=59), "10 minutes"),
    ],
)
def test_time_is_spelled_in_its_largest_unit(time: timedelta, text: str) -> None:
    assert spelled(time) == text


@pytest.mark.parametrize(
    ("browser", "system", "text"),
    [
        ("Firefox", "Linux", "Firefox on Linux"),
        ("Firefox", "", "Firefox"),
        ("", "Linux", "Linux"),
        ("", "", "an unknown program"),
    ],
)
def test_sign_in_is_described_by_what_is_known(browser: str, system: str, text: str) -> None:
    sign_in = replace(SIGN_IN, browser=browser, system=system)
    assert described(sign_in) == f"{text}, 29 November 2026, 01:04 UTC"


def test_code_is_grouped_by_four() -> None:
    assert [grouped(code) for code in ("", "12345678", "123456")] == ["", "1234 5678", "1234 56"]
