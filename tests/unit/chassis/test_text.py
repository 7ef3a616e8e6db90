"""Rules for text, independent of Python's version of Unicode."""

import unicodedata

import pytest

from chassis.text import count_characters, is_one_line, is_visible, shorten

FAMILY = "👨‍👩‍👧‍👦"
FLAG = "🇺🇦"
ACUTE = "\u0301"

VISIBLE = [
    *("a", "1", "!", "+", "é", "字", "🙂", FAMILY, FLAG, "1️⃣", "\ufffd"),
    *("\U0001fa77", "\U0001fae8", "\U0001fae9", "\U0001faea"),  # emoji of Unicode 15 to 17
    "\u0378",  # assigned by no Unicode yet
    "\uf8ff",  # for private use
    f" {ACUTE}\u3164x",
]
BLANK = [
    *("", " ", "\n\t\u00a0\u3000", "\u2028", "\u1680"),  # white space
    *("\u200b", "\ufeff\u2060", "\u200d", "\u00ad", "\u202e", "\x00", "\ud800"),  # format, control
    *(ACUTE, "\u20dd", f" {ACUTE}", "\ufe0f", "\u034f"),  # marks without a base
    *("\u3164", "\u115f", "\u1160", "\uffa0", "\u2065", "\U000e0fff"),  # default-ignorable
    *("\u2800", "\ufffc", "\U0001d159", "\U00013441"),  # blank by design
    *("\ufffe", "\U0010ffff"),  # no characters at all
]


def name(text: str) -> str:
    return " ".join(f"U+{ord(c):04X}" for c in text) or "nothing"


class TestIsVisible:
    @pytest.mark.parametrize("text", VISIBLE, ids=name)
    def test_one_visible_character_is_enough(self, text: str) -> None:
        assert is_visible(text)

    @pytest.mark.parametrize("text", BLANK, ids=name)
    def test_characters_without_ink_are_not_visible(self, text: str) -> None:
        assert not is_visible(text)
        assert not is_visible(text * 3)

    def test_every_letter_of_python_is_visible_or_a_known_blank(self) -> None:
        hidden = {
            f"{code:04X}"
            for code in range(0x110000)
            if unicodedata.category(chr(code))[0] in "LNPS" and not is_visible(chr(code))
        }
        blank = {"115F", "1160", "2800", "3164", "FFA0", "FFFC", "1D159"}
        assert hidden - {"13441", "13442"} == blank


class TestShorten:
    @pytest.mark.parametrize("cluster", ["a", "e" + ACUTE, FAMILY, FLAG, "\r\n", "नि", "각"])
    def test_text_is_cut_between_grapheme_clusters(self, cluster: str) -> None:
        assert shorten(cluster * 10, 10) == cluster * 10
        assert shorten(cluster * 11, 10) == f"{(cluster * 9).rstrip()}…"

    def test_short_text_is_unchanged(self) -> None:
        assert shorten("", 5) == ""
        assert shorten("short", 5) == "short"

    def test_no_white_space_stands_before_the_ellipsis(self) -> None:
        assert shorten("one two three", 5) == "one…"

    def test_result_has_at_most_the_given_number_of_characters(self) -> None:
        for length in range(1, 12):
            assert count_characters(shorten(FLAG * 10, length)) <= length


class TestIsOneLine:
    @pytest.mark.parametrize("text", ["", "ada", "a b", "é", "🩷", "\u0378", "\u00a0"], ids=name)
    def test_printable_text_is_one_line(self, text: str) -> None:
        assert is_one_line(text)

    @pytest.mark.parametrize(
        "character",
        [
            "\n",
            "\r",
            "\t",
            "\x00",
            "\x7f",
            "\x85",
            "\u2028",
            "\u2029",
            "\u202e",
            "\u200b",
            "\ud800",
        ],
        ids=name,
    )
    def test_line_break_or_control_character_is_not_one_line(self, character: str) -> None:
        assert not is_one_line(f"a{character}b")
