"""The form in which e-mail addresses are stored and compared."""

import unicodedata

import regex
from email_validator import EmailNotValidError, validate_email

from chassis.text import is_visible
from subgraphs.auth.logins import MAX_INPUT_LENGTH

_MAX_MAILBOX_BYTES = 64
"""Bytes before the @-sign (RFC 5321 4.5.3.1.1)."""

_MARK = regex.compile(r"\p{M}")
_PRIVATE = regex.compile(r"\p{Co}")


def normalize_email(address: str) -> str:
    """Return the address without outer white space, in NFC, its domain in lower case.

    Asks no name server: only a mail can verify that an address takes mail. Raises ValueError with a
    message to the client.
    """
    if len(address) > MAX_INPUT_LENGTH:
        raise ValueError("E-mail address must be at most 254 bytes.")
    mailbox, at, domain = unicodedata.normalize("NFC", address.strip()).rpartition("@")
    _check_mailbox(mailbox)
    # The library judges other characters than ASCII by the Unicode tables of this Python, so it
    # gets a plain mailbox with as many bytes.
    plain = "".join(c if c.isascii() else "x" * len(c.encode()) for c in mailbox)
    try:
        checked = validate_email(f"{plain}{at}{domain}", check_deliverability=False)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from error
    return checked.normalized if mailbox.isascii() else f"{mailbox}@{checked.domain}"


def _check_mailbox(mailbox: str) -> None:
    """Raise ValueError for a mailbox that is too long or has invisible characters."""
    invisible = sorted({c for c in mailbox if not c.isascii() and not _fits_mailbox(c)})
    if _MARK.match(mailbox):
        invisible.append(mailbox[0])
    if invisible:
        names = ", ".join(f"U+{ord(c):04X}" for c in invisible)
        raise ValueError(f"E-mail address must not contain invisible characters: remove {names}.")
    if len(mailbox.encode()) > _MAX_MAILBOX_BYTES:
        raise ValueError(
            f"E-mail address must have at most {_MAX_MAILBOX_BYTES} bytes before the @-sign."
        )


def _fits_mailbox(character: str) -> bool:
    if _MARK.match(character):
        return True
    return is_visible(character) and not _PRIVATE.match(character)
