"""The form in which e-mail addresses are stored and compared."""

import unicodedata

import regex
from email_validator import EmailNotValidError, validate_email

from chassis.text import is_visible

_LONGEST_MAILBOX = 64
"""Octets before the @-sign (RFC 5321 4.5.3.1.1)."""

_MARK = regex.compile(r"\p{M}")
_PRIVATE = regex.compile(r"\p{Co}")


def normalize_email(address: str) -> str:
    """Return the address without outer white space, in NFC, its domain in lower case.

    Asks no name server: only a mail can prove that an address takes mail. Raises ValueError with a
    reason.
    """
    mailbox, at, domain = unicodedata.normalize("NFC", address.strip()).rpartition("@")
    _check_mailbox(mailbox)
    # The library judges other characters than ASCII by the Unicode tables of this Python, so it
    # sees a plain mailbox of as many octets.
    plain = "".join(c if c.isascii() else "x" * len(c.encode()) for c in mailbox)
    try:
        checked = validate_email(f"{plain}{at}{domain}", check_deliverability=False)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from error
    return checked.normalized if mailbox.isascii() else f"{mailbox}@{checked.domain}"


def _check_mailbox(mailbox: str) -> None:
    """Raises ValueError with a reason."""
    unfit = sorted({c for c in mailbox if not c.isascii() and not _fits_mailbox(c)})
    if _MARK.match(mailbox):
        unfit.append(mailbox[0])
    if unfit:
        named = ", ".join(f"U+{ord(c):04X}" for c in unfit)
        raise ValueError(f"Remove from the part before the @-sign what does not show: {named}.")
    if len(mailbox.encode()) > _LONGEST_MAILBOX:
        raise ValueError(
            f"The part before the @-sign is too long: use at most {_LONGEST_MAILBOX} bytes."
        )


def _fits_mailbox(character: str) -> bool:
    if _MARK.match(character):
        return True
    return is_visible(character) and not _PRIVATE.match(character)
