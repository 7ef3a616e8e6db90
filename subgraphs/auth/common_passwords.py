"""Recognises the 19,500 most common passwords, from leaks of accounts."""

from functools import cache
from importlib.resources import files

LIST = "common_passwords.txt"


def is_common(password: str) -> bool:
    """Return whether a password, without regard to case, is among the most common ones."""
    # One text that is searched in 0.1 ms takes a tenth of the memory of a set.
    line = f"\n{password.casefold()}\n"
    return line.count("\n") == 2 and line in _lines()


@cache
def _lines() -> str:
    text = files(__package__).joinpath(LIST).read_text()
    return text[text.index("\n\n") + 1 :]
