"""Usernames, addresses and passwords, as people type them."""

import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from subgraphs.auth.errors import Problem

PASSWORD_LENGTH = range(8, 129)
"""Characters of a password after NFC normalisation (OWASP ASVS 5.0, 6.2.1 and 6.2.9)."""

CONTEXT_WORDS = frozenset(
    "account admin administrator auth login moderator password root support user welcome".split()
)
"""Words that are guessed first, beside the product's name and those of the account."""

MAX_INPUT_LENGTH = 4 * 128
"""Characters of a password or an address before NFC normalisation, which leaves one for four at
most. It takes time that grows with the square of the length, so longer text is not normalised."""

_USERNAME = re.compile(r"[A-Za-z0-9_]{3,20}", re.ASCII)
_RESERVED = frozenset(
    """
    about account admin administrator anonymous api auth chirp contact everyone explorer
    graphql guest healthz help here home info login logout mail me moderator news nobody null
    official postmaster privacy root security settings sessions signin signout signup staff
    status support system team terms test tweet tweets undefined user username users verified
    webmaster www
    """.split()
)


@dataclass(frozen=True, slots=True)
class Login:
    """A username or an e-mail address, in the form in which it is stored."""

    text: str

    @classmethod
    def parse(cls, text: str, normalize_email: Callable[[str], str]) -> "Login":
        """Read what a user typed, without the white space around it.

        Raises ValueError for a text that can be neither a username nor an address.
        """
        login = cls(text.strip())
        if login.is_email:
            return cls(normalize_email(login.text))
        if not _USERNAME.fullmatch(login.text):
            raise ValueError("not a username")
        return login

    @classmethod
    def of_username(cls, text: str) -> "Login | None":
        """Read a username that a user typed; None for a text that can be none, an address too."""
        login = cls(text.strip())
        return login if _USERNAME.fullmatch(login.text) else None

    @property
    def is_email(self) -> bool:
        """Whether this is an address. No username holds an @, so a login never names two users."""
        return "@" in self.text


@dataclass(frozen=True, slots=True)
class Password:
    """A password in the form that is hashed: NFC, which is the same on every keyboard."""

    text: str = field(repr=False)

    @classmethod
    def parse(cls, typed: str) -> "Password":
        """Normalise what a user typed.

        Text longer than MAX_INPUT_LENGTH stays as it is. No stored password is as long.
        """
        if len(typed) > MAX_INPUT_LENGTH:
            return cls(typed)
        return cls(unicodedata.normalize("NFC", typed))

    def problems(
        self,
        *,
        username: str,
        email: str,
        is_common: Callable[[str], bool],
        product: str = "",
    ) -> list[Problem]:
        """Return why an account may not have this password.

        `is_common` returns whether many accounts have it, or it has leaked: those are guessed
        first. `product` is the name that users know.
        """
        if len(self.text) not in PASSWORD_LENGTH:
            shortest, longest = PASSWORD_LENGTH.start, PASSWORD_LENGTH.stop - 1
            return [Problem("password", f"Password must be {shortest} to {longest} characters.")]
        if self.text.casefold() in {username.casefold(), email.casefold()}:
            return [Problem("password", "Password must not be your username or address.")]
        if is_common(self.text):
            message = "This password is among the most common ones. Choose another."
            return [Problem("password", message)]
        names = {*_words(username), *_words(email), *_words(product), *CONTEXT_WORDS}
        if self._consists_of(names):
            message = (
                "Password must not consist of your username, your address, the product's name or "
                "very common words alone. Add other words."
            )
            return [Problem("password", message)]
        return []

    def _consists_of(self, words: Collection[str]) -> bool:
        """Return whether the letters of the password are these words, one or several."""
        letters = "".join(c for c in self.text.casefold() if c.isalpha())
        ends = {0}
        """The positions up to which the letters are words."""
        for end in range(1, len(letters) + 1):
            if any(end - len(w) in ends and letters[:end].endswith(w) for w in words):
                ends.add(end)
        return bool(letters) and len(letters) in ends


def _words(text: str) -> set[str]:
    """Return the runs of letters in a text, and all its letters; those of one or two are none."""
    text = text.casefold()
    found = {*re.findall(r"[^\W\d_]+", text), "".join(c for c in text if c.isalpha())}
    return {word for word in found if len(word) > 2}


def folded(login: str) -> str:
    """Return a login in lower case, as the database compares it.

    It makes an `i` of `\u0130`, of which Python's `lower` makes two characters.
    """
    return login.replace("\u0130", "i").lower()


def is_fictitious(address: str) -> bool:
    """Return whether an address is below the top-level domain `example`, which never exists.

    RFC 6761, 6.5. The prober's accounts have such addresses.
    """
    return address.lower().endswith(".example")


def username_problems(username: str) -> list[Problem]:
    """Return why an account may not have this username."""
    if not _USERNAME.fullmatch(username):
        return [Problem("username", "Username must be 3 to 20 letters, digits or underscores.")]
    if username.lower() in _RESERVED:
        return [Problem("username", "This username is reserved. Choose another.")]
    return []
