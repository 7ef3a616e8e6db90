"""Reads the mails that the laptop's mailbox (MailDev) has received."""

import re
import time
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import httpx

from client.api import Account, expect, run
from client.documents import VERIFY_EMAIL

_TIMEOUT = 30.0  # seconds
_PAUSE = 0.05  # seconds


class Mailbox:
    """Every method but `is_up` raises httpx.HTTPError if the mailbox does not answer."""

    def __init__(self, http: httpx.Client) -> None:
        """`http` has the address of the mailbox's page as its base URL."""
        self._http = http

    @property
    def is_up(self) -> bool:
        try:
            return self._http.get("/email").is_success
        except httpx.ConnectError:
            return False

    def wait_until_up(self, within: float) -> None:
        """Return when the mailbox answers. Raises TimeoutError after `within` seconds."""
        deadline = time.monotonic() + within
        while not self.is_up:
            if time.monotonic() > deadline:
                raise TimeoutError("the mailbox does not answer")
            time.sleep(_PAUSE)

    def of(self, address: str) -> list[EmailMessage]:
        """Return all mails to an address, the oldest first."""
        listed: list[dict[str, Any]] = self._http.get("/email").raise_for_status().json()
        return [
            message_from_bytes(
                self._http.get(f"/email/{mail['id']}/source").content, policy=default
            )
            for mail in listed
            if address in [to["address"] for to in mail["to"]]
        ]

    def wait_for(
        self, address: str, wanted: Callable[[EmailMessage], bool], within: float = _TIMEOUT
    ) -> EmailMessage:
        """Return the newest mail to an address that is `wanted`. Raises TimeoutError."""
        deadline = time.monotonic() + within
        while True:
            if found := [mail for mail in self.of(address) if wanted(mail)]:
                return found[-1]
            if time.monotonic() > deadline:
                raise TimeoutError("the mail did not arrive")
            time.sleep(_PAUSE)


def verify_address(http: httpx.Client, account: Account, mailbox: Mailbox) -> None:
    """Verify the address of a new account, with the code from the mail of its sign-up.

    Raises TimeoutError, ApiError or httpx.HTTPError.
    """
    mail = mailbox.wait_for(account.email, lambda mail: bool(short_code_in(mail)))
    result = run(http, VERIFY_EMAIL, account, code=short_code_in(mail))
    expect("EmailVerified", result["verifyEmail"])


def text_of(mail: EmailMessage) -> str:
    """Return the text part of a mail."""
    body = mail.get_body(("plain",))
    return str(body.get_content()) if body else ""


def link_in(mail: EmailMessage) -> str:
    """Return the first link in the text of a mail, empty if there is none."""
    found = re.search(r"https?://\S+", text_of(mail))
    return found[0] if found else ""


def code_in(mail: EmailMessage) -> str:
    """Return the code of the link in an account mail, empty if there is none."""
    found = re.search(r"[?&]code=([\w-]+)", link_in(mail))
    return found[1] if found else ""


def short_code_in(mail: EmailMessage) -> str:
    """Return the code to type in an account mail, empty if there is none."""
    found = re.search(r"\b(\d{4}) (\d{4})\b", text_of(mail))
    return f"{found[1]}{found[2]}" if found else ""
