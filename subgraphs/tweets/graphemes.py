"""Counts what a reader takes for one character: extended grapheme clusters (Unicode UAX 29)."""

import regex

_CLUSTER = regex.compile(r"\X")


def count_characters(text: str) -> int:
    return sum(1 for _ in _CLUSTER.finditer(text))
