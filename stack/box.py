"""Draws the closing box of `make up`."""

from collections.abc import Sequence

Rows = Sequence[tuple[str, str]]


def box(title: str, rows: Rows, width: int) -> str:
    """Return a frame around labelled rows, or plain lines where the frame is wider than `width`."""
    lines = _aligned(rows)
    inner = max(len(title) + 2, *map(len, lines))
    if inner + 4 > width:
        return plain(title, rows)
    top = f"┌─ {title} {'─' * (inner - len(title) - 1)}┐"
    return "\n".join([top, *(f"│ {line:<{inner}} │" for line in lines), f"└{'─' * (inner + 2)}┘"])


def plain(title: str, rows: Rows) -> str:
    """Return labelled rows as plain lines."""
    return "\n".join([f"{title}.", *(f"  {line}" for line in _aligned(rows))])


def _aligned(rows: Rows) -> list[str]:
    margin = max(len(label) for label, _ in rows)
    return [f"{label:<{margin}}  {text}" for label, text in rows]
