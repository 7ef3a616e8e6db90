"""A mail as the bytes that a server is given: headers, both parts, signature."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

import idna

from notifier.domain import Mail
from notifier.errors import MailRefused

_LONGEST_LINE = 998  # RFC 5322
# Headers stay on one line each: the standard library breaks a long URL into encoded words, which
# nobody reads as a link.
_ASCII = SMTP.clone(max_line_length=_LONGEST_LINE, cte_type="7bit")
_UTF8 = SMTPUTF8.clone(max_line_length=_LONGEST_LINE)


@dataclass(frozen=True, slots=True)
class Message:
    sender: str
    recipient: str
    content: bytes
    needs_smtputf8: bool


@dataclass(frozen=True, slots=True)
class Composer:
    """`sign` gives the header lines to put before a message, or nothing."""

    sender: Address
    now: Callable[[], datetime]
    sign: Callable[[bytes], bytes] | None = None

    def __call__(self, mail: Mail) -> Message:
        """Raises MailRefused for an address that is none."""
        recipient = deliverable(mail.to)
        needs_smtputf8 = not recipient.isascii()
        message = EmailMessage()
        try:
            message["From"] = self.sender
            message["To"] = Address(mail.to_name, addr_spec=recipient)
            message["Subject"] = mail.subject
        except ValueError as error:
            # A line break, mostly. The header would be several.
            raise MailRefused("the mail has a header that cannot be one") from error
        message["Date"] = self.now()
        message["Message-ID"] = mail.message_id
        message["List-Id"] = f"Retweets of your tweets <retweets.{self.sender.domain}>"
        message["List-Unsubscribe"] = f"<{mail.unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message["Auto-Submitted"] = "auto-generated"
        message["Precedence"] = "list"
        # Quoted-printable passes every server as it is, so that a signature holds.
        message.set_content(mail.text, cte="quoted-printable")
        message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
        content = message.as_bytes(policy=_UTF8 if needs_smtputf8 else _ASCII)
        if self.sign:
            content = self.sign(content) + content
        return Message(self.sender.addr_spec, recipient, content, needs_smtputf8)


def deliverable(address: str) -> str:
    """The address in ASCII as far as that is possible: a domain always is, a mailbox may not be.

    Raises MailRefused.
    """
    mailbox, at, domain = address.rpartition("@")
    try:
        encoded = idna.encode(domain, uts46=True).decode()
    except idna.IDNAError as error:
        raise MailRefused("the address has no domain that mail can be sent to") from error
    if not at or not mailbox:
        raise MailRefused("the address is none")
    return f"{mailbox}@{encoded}"
