"""Tables and pages in Markdown."""

from collections.abc import Iterable, Sequence

HEADER = "<!-- Generated from {source}. Change that and run: make reference -->\n"


def page(source: str, title: str, *parts: str) -> str:
    """Return a page with a title; empty parts are left out."""
    header = HEADER.format(source=source)
    return "\n\n".join([f"{header}# {title}", *(part.strip("\n") for part in parts if part)]) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, or an empty text without rows."""
    lines = [_row(row) for row in rows]
    return "\n".join([_row(columns), _row(["---"] * len(columns)), *lines]) if lines else ""


def code(text: object) -> str:
    """Return text as code, or an empty text for an empty one."""
    return f"`{text}`" if str(text) else ""


def codes(texts: Iterable[object]) -> str:
    """Return texts as code, separated by commas."""
    return ", ".join(map(code, texts))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"
