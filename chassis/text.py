"""Rules about text that people read, by the Unicode data of the `regex` package.

Python's own tables (`unicodedata`, `str.isprintable`) differ between its versions: what one of them
refuses as unassigned is an emoji to the next.
"""

import regex

_CLUSTER = regex.compile(r"\X")

_INKLESS = r"\u2800\uFFFC\U0001D159\U00013441\U00013442"
"""Letters and symbols that show nothing: braille blank, object replacement character, null
notehead, full and half blank of the hieroglyphs."""

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
    """Count what a reader takes for one character: extended grapheme clusters (UAX 29)."""
    return sum(1 for _ in _CLUSTER.finditer(text))


def shorten(text: str, characters: int) -> str:
    """Return at most so many characters of `text`, the last one an ellipsis where it was cut."""
    kept = ""
    for number, cluster in enumerate(_CLUSTER.finditer(text), start=1):
        if number == characters:
            rest = text[cluster.start() :]
            return text if rest == cluster[0] else f"{kept.rstrip()}…"
        kept += cluster[0]
    return text


def is_visible(text: str) -> bool:
    """Return whether `text` shows anything.

    White space, control and format characters, combining marks without a base, default-ignorable
    and blank-looking characters show nothing. An unassigned character counts as visible: newer
    fonts may know it.
    """
    return _VISIBLE.search(text) is not None


def is_one_line(text: str) -> bool:
    """Return whether `text` has no line break, control, format or surrogate character."""
    return _NOT_IN_A_LINE.search(text) is None
