"""Reads files of settings, such as `.env`."""

from pathlib import Path


class DotenvError(Exception):
    """A line of a file of settings cannot be read; the message names the file and the line."""


def read(path: Path) -> dict[str, str]:
    """Return the variables of a file of `NAME=value` lines. Raises DotenvError.

    A line that starts with `#` is a comment.
    """
    values = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        name, equals, value = line.strip().partition("=")
        if not name or name.startswith("#"):
            continue
        if not equals or not name.isidentifier():
            raise DotenvError(f"{path}, line {number}: write NAME=value")
        values[name] = value.strip().strip("\"'")
    return values
