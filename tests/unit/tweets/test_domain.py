"""The rules about texts, idempotency keys and retweet counts."""

import pytest

from chassis.text import count_characters, is_visible
from subgraphs.tweets import domain
from subgraphs.tweets.errors import InvalidTweet

FAMILY = "👨‍👩‍👧‍👦"
KISS = "👩🏽‍❤️‍💋‍👨🏿"  # ten code points, the longest emoji there are
FLAG = "🇺🇦"
ENGLAND = "🏴󠁧󠁢󠁥󠁮󠁧󠁿"
ACUTE = "\u0301"


def tweet_text(text: str) -> str:
    return domain.tweet_text(text, count_characters, is_visible)


class TestCharacters:
    @pytest.mark.parametrize(
        ("text", "characters"),
        [
            ("", 0),
            ("abc", 3),
            ("e" + ACUTE, 1),
            ("e" + ACUTE * 5, 1),
            (FAMILY, 1),
            (KISS, 1),
            (FLAG * 2, 2),
            (ENGLAND, 1),
            ("👍🏽", 1),
            ("\r\n", 1),
            ("a\nb", 3),
            ("각", 1),
            ("नि", 1),
        ],
    )
    def test_grapheme_cluster_is_one_character(self, text: str, characters: int) -> None:
        assert count_characters(text) == characters


class TestTweetText:
    @pytest.mark.parametrize(
        "character", ["a", "é", "e" + ACUTE, FAMILY, KISS, FLAG, ENGLAND, "字"]
    )
    def test_280_characters_are_allowed_and_281_are_not(self, character: str) -> None:
        assert tweet_text(character * 280)
        with pytest.raises(InvalidTweet):
            tweet_text(character * 280 + "!")

    def test_one_character_is_allowed(self) -> None:
        assert tweet_text("a") == "a"

    @pytest.mark.parametrize(
        "text",
        [
            *("", " ", "\n\t\u00a0\u3000", "\u200b", "\ufeff\u2060", "\u200d", ACUTE, "\u00ad"),
            *("\u3164", "\u115f", "\uffa0", "\u2800", "\ufffc", "\U0001d159", "\u3164\n\u2800"),
        ],
    )
    def test_text_without_a_visible_character_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidTweet, match="visible"):
            tweet_text(text)

    @pytest.mark.parametrize("text", ["🩷", "🫨", "🫩", "🫪", "\u0378"])
    def test_character_unknown_to_this_python_is_visible(self, text: str) -> None:
        assert tweet_text(text) == text

    def test_surrounding_white_space_is_removed_and_not_counted(self) -> None:
        assert tweet_text(" \n" + "a" * 280 + "\u3000\t") == "a" * 280

    def test_text_is_normalised_to_nfc(self) -> None:
        assert tweet_text("e" + ACUTE) == "é"

    @pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
    def test_line_endings_become_line_feeds(self, ending: str) -> None:
        assert tweet_text(f"one{ending}{ending}two") == "one\n\ntwo"

    @pytest.mark.parametrize("character", ["\x00", "\t", "\x1b", "\x7f", "\x85", "\ud800"])
    def test_other_control_characters_are_refused(self, character: str) -> None:
        with pytest.raises(InvalidTweet, match="control"):
            tweet_text(f"a{character}b")

    @pytest.mark.parametrize("number", [domain.MAX_CODE_POINTS, 100_000])
    def test_character_with_too_many_accents_is_refused(self, number: int) -> None:
        with pytest.raises(InvalidTweet, match="code points"):
            tweet_text("a" + ACUTE * number)

    def test_zero_width_non_joiner_is_kept(self) -> None:
        text = "می‌خواهم"  # with a zero-width non-joiner
        assert tweet_text(text) == text


class TestIdempotencyKey:
    @pytest.mark.parametrize("key", [None, "a", " ", "~" * 64])
    def test_printable_ascii_is_allowed(self, key: str | None) -> None:
        assert domain.checked_idempotency_key(key) == key

    @pytest.mark.parametrize("key", ["", "a" * 65, "é", "\n", "a\n", "\x7f"])
    def test_other_keys_are_refused(self, key: str) -> None:
        with pytest.raises(InvalidTweet):
            domain.checked_idempotency_key(key)
