"""Writes Markdown as GitHub reads it so that Python-Markdown reads it in the same way.

Python-Markdown needs an empty line between a paragraph and a list, and four spaces before what
belongs to an item, where GitHub needs no line and as many spaces as the marker is wide.
"""

import re
from collections.abc import Iterator

_ITEM = re.compile(r"(?:[-*]|\d+\.) ")
_LEVEL = 4


def for_python_markdown(text: str) -> str:
    """Return the text with four spaces for each level of a list, and a line before each list."""
    return "".join(_lines(text))


def _lines(text: str) -> Iterator[str]:
    is_code, added, after_text = False, 0, False
    for line in text.splitlines(keepends=True):
        content = line.lstrip(" ")
        indent = len(line) - len(content)
        if not is_code:
            added = _LEVEL * _level(indent) - indent if indent > 1 else 0
        is_item = not is_code and bool(_ITEM.match(content))
        if is_item and after_text:
            yield "\n"
        yield " " * added + line if content.strip() else line
        if content.startswith("```"):
            is_code = not is_code
        after_text = not (is_item or is_code) and bool(content.strip()) and content[0] != "#"


def _level(indent: int) -> int:
    """Return the level of a list to which a line with this many spaces belongs."""
    return max(1, round(indent / 2.5))
