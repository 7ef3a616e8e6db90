"""Recognises the lines that a quiet console leaves out, by the level that they are logged with."""

import re
from collections.abc import Callable

IsRoutine = Callable[[str], bool]

_LEVEL = re.compile(r'"level": ?"(\w+)"|^\S+ \[(\w+) *\] ')
"""In JSON, and in the readable lines of development (`2026-01-31T… [info     ] …`)."""


def below_warning(line: str) -> bool:
    """Return whether a line is of level info or debug. One without a level is not, nor a traceback.

    So a `print` in a resolver is shown.
    """
    return _level(line) in {"trace", "debug", "info"}


def below_error(line: str) -> bool:
    """The same with warnings: the Apollo Router warns about itself at each start."""
    return _level(line) in {"trace", "debug", "info", "warn", "warning"}


def every(_: str) -> bool:
    """For programs whose lines matter only when they fail."""
    return True


def none(_: str) -> bool:
    """For programs whose lines are all shown."""
    return False


def _level(line: str) -> str:
    match = _LEVEL.search(line)
    return (match[1] or match[2]).lower() if match else ""
