"""Rules for displayed text, by the Unicode data of the `regex` package.

Python's own tables (`unicodedata`, `str.isprintable`) differ between Python versions: a character
that is unassigned in one is an emoji in the next.
"""

import regex

_CLUSTER = regex.compile(r"\X")

_INKLESS = r"\u2800\uFFFC\U0001D159\U00013441\U00013442"
"""Letters and symbols without ink: braille blank, object replacement character, null notehead, and
the full and half blank of the hieroglyphs."""

_VISIBLE = regex.compile(
    r"[[\p{L}\p{N}\p{P}\p{S}\p{Co}\p{Cn}]"
    r"--\p{Noncharacter_Code_Point}--\p{Default_Ignorable_Code_Point}"
    rf"--[{_INKLESS}]]",
    regex.VERSION1,
)

_NOT_IN_A_LINE = regex.compile(
    r"[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}]", regex.VERSION1
)


def count_characters(text: str) -> int:
    """Count the characters that a reader sees: extended grapheme clusters (UAX 29)."""
    return sum(1 for _ in _CLUSTER.finditer(text))


def shorten(text: str, characters: int) -> str:
    """Return `text` cut to at most `characters` characters; a cut text ends with an ellipsis."""
    kept = ""
    for number, cluster in enumerate(_CLUSTER.finditer(text), start=1):
        if number == characters:
            rest = text[cluster.start() :]
            return text if rest == cluster[0] else f"{kept.rstrip()}…"
        kept += cluster[0]
    return text


def is_visible(text: str) -> bool:
    """Return whether `text` has a visible character.

    White space, control and format characters, combining marks without a base, default-ignorable
    and blank-looking characters are not visible. An unassigned character counts as visible, because
    newer fonts may have it.
    """
    return _VISIBLE.search(text) is not None


def is_one_line(text: str) -> bool:
    """Return whether `text` has no line break, control, format or surrogate character."""
    return _NOT_IN_A_LINE.search(text) is None
