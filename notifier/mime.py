"""Encodes a mail as MIME (RFC 5322, RFC 2046) and signs it.

The bytes are written here because the standard library's `email` package takes 1.7 to 3 times the
processor time for a mail, all included: docs/adr/0020-mail.md has the figures.
"""

import re
from binascii import b2a_qp
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.utils import format_datetime

import idna

from chassis.text import is_one_line
from notifier.domain import Mail
from notifier.errors import AddressRefused, MailRefused

_MAILBOX = re.compile(r'[^\s()<>\[\]:;@\\,"]+')
_BOUNDARY = "=_the-other-part"
"""In quoted-printable a `=` precedes a hexadecimal digit or a line break: no part contains this."""


@dataclass(frozen=True, slots=True)
class MimeMessage:
    """A message and its envelope."""

    sender: str
    recipient: str
    content: bytes
    needs_smtputf8: bool


@dataclass(frozen=True, slots=True)
class MimeComposer:
    """`sign` returns header lines to prepend to a message."""

    sender: Address
    now: Callable[[], datetime]
    sign: Callable[[bytes], bytes] | None = None

    def __call__(self, mail: Mail) -> MimeMessage:
        """Raises AddressRefused for an invalid address.

        Raises MailRefused for a line break in a header.
        """
        recipient = deliverable(mail.to)
        headers = {
            "From": _mailbox(self.sender.display_name, self.sender.addr_spec),
            "To": _mailbox(mail.to_name, recipient),
            "Subject": _words(mail.subject),
            "Date": format_datetime(self.now()),
            "Message-ID": mail.message_id,
            "Auto-Submitted": "auto-generated",
            **self._list_headers(mail),
            "MIME-Version": "1.0",
            "Content-Type": f'multipart/alternative; boundary="{_BOUNDARY}"',
        }
        content = b"".join(
            (
                *(f"{name}: {value}\r\n".encode() for name, value in headers.items()),
                b"\r\n",
                _part("plain", mail.text),
                _part("html", mail.html),
                f"--{_BOUNDARY}--\r\n".encode(),
            )
        )
        if self.sign:
            content = self.sign(content) + content
        return MimeMessage(self.sender.addr_spec, recipient, content, not recipient.isascii())

    def _list_headers(self, mail: Mail) -> Mapping[str, str]:
        if mail.unsubscribe_url is None:
            return {}
        return {
            "List-Id": f"Retweets of your tweets <retweets.{self.sender.domain}>",
            "List-Unsubscribe": f"<{mail.unsubscribe_url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Precedence": "list",
        }


def deliverable(address: str) -> str:
    """Return the address with its domain in ASCII; the mailbox stays as it is.

    Raises AddressRefused for an invalid address.
    """
    mailbox, _, domain = address.rpartition("@")
    if not _MAILBOX.fullmatch(mailbox) or not is_one_line(mailbox):
        raise AddressRefused("the address is invalid")
    try:
        return f"{mailbox}@{idna.encode(domain, uts46=True).decode()}"
    except idna.IDNAError as error:
        raise AddressRefused("the domain of the address is invalid") from error


def _mailbox(name: str, address: str) -> str:
    if name and name.isascii():
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{escaped}"'
    return f"{_words(name)} <{address}>"


def _words(text: str) -> str:
    """Encode text for a header (RFC 2047). Raises MailRefused for a line break."""
    if not is_one_line(text):
        raise MailRefused("a header of the mail has a line break")
    return text if text.isascii() else Header(text, "utf-8").encode(linesep="\r\n")


def _part(kind: str, text: str) -> bytes:
    # No server changes quoted-printable, so a signature stays valid.
    return (
        f"--{_BOUNDARY}\r\n"
        f"Content-Type: text/{kind}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    ).encode() + b2a_qp(f"{text}\n".replace("\n", "\r\n").encode(), istext=True)
