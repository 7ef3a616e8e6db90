"""The rules of usernames, passwords and scopes."""

import pytest

from subgraphs.auth.domain import (
    checked_scopes,
    normalized_password,
    password_problems,
    username_problems,
)
from subgraphs.auth.emails import normalize_email
from subgraphs.auth.errors import InvalidInput


class TestUsername:
    @pytest.mark.parametrize("name", ["ada", "Ada_Lovelace", "x" * 20, "___", "007"])
    def test_accepts(self, name: str) -> None:
        assert username_problems(name) == []

    @pytest.mark.parametrize(
        "name", ["", "ab", "x" * 21, "a b", "a-b", "ada\n", "ad\u00e9", "\u0661\u0662\u0663", "a@b"]
    )
    def test_refuses(self, name: str) -> None:
        (problem,) = username_problems(name)
        assert problem.field == "username"

    @pytest.mark.parametrize("name", ["admin", "Root", "GRAPHQL", "me_", "support"])
    def test_some_names_are_reserved_whatever_their_case(self, name: str) -> None:
        assert bool(username_problems(name)) is (name != "me_")


class TestPassword:
    @pytest.mark.parametrize("password", ["x" * 8, "x" * 128, "\u00e9" * 8, "       8"])
    def test_accepts(self, password: str) -> None:
        assert password_problems(password, username="ada", email="ada@example.com") == []

    @pytest.mark.parametrize("password", ["", "x" * 7, "x" * 129])
    def test_refuses_what_is_too_short_or_too_long(self, password: str) -> None:
        assert password_problems(password, username="ada", email="ada@example.com")

    def test_is_measured_after_normalisation(self) -> None:
        decomposed = "e\u0301" * 7
        assert len(decomposed) == 14
        assert password_problems(
            normalized_password(decomposed), username="ada", email="ada@example.com"
        )

    def test_is_not_normalised_when_it_is_too_long_to_be_one(self) -> None:
        assert normalized_password("a" + "\u0300\u0316" * 60_000) is None
        assert normalized_password("\u0344" * 128) is not None

    @pytest.mark.parametrize("password", ["Ada_Lovelace", "ADA_LOVELACE", "ada@example.COM"])
    def test_refuses_the_username_and_the_address(self, password: str) -> None:
        assert password_problems(password, username="ada_lovelace", email="ada@example.com")


class TestScopes:
    KNOWN = frozenset({"a", "b"})

    def test_none_asked_for_means_all(self) -> None:
        assert checked_scopes(None, self.KNOWN) is None

    def test_are_those_asked_for(self) -> None:
        assert checked_scopes(["b", "b"], self.KNOWN) == frozenset({"b"})

    @pytest.mark.parametrize("asked", [[], ["c"], ["a", "c"], [""]])
    def test_are_refused_when_unknown(self, asked: list[str]) -> None:
        with pytest.raises(InvalidInput):
            checked_scopes(asked, self.KNOWN)


class TestEmail:
    @pytest.mark.parametrize(
        ("given", "stored"),
        [
            ("ada@example.com", "ada@example.com"),
            ("ada@EXAMPLE.com", "ada@example.com"),
            ("j\u00f6rg@b\u00fccher.example.com", "j\u00f6rg@b\u00fccher.example.com"),
            ("jo\u0308rg@example.com", "j\u00f6rg@example.com"),
            (" ada@example.com\n", "ada@example.com"),
        ],
    )
    def test_is_normalised(self, given: str, stored: str) -> None:
        assert normalize_email(given) == stored

    @pytest.mark.parametrize(
        "given",
        [
            *("", "ada", "ada@", "@example.com", "a b@example.com", "a@b", "Ada <ada@example.com>"),
            *("\u00e9..x@example.com", "\u00e9.@example.com", "\u037ex@example.com"),
            *("\ud800@example.com", "a@\ud800.com"),
        ],
    )
    def test_is_refused_with_a_reason(self, given: str) -> None:
        with pytest.raises(ValueError, match=r"\w"):
            normalize_email(given)

    @pytest.mark.parametrize("emoji", ["🙂", "🩷", "🫩", "❤️", "\u0378"])
    def test_an_emoji_may_stand_before_the_at_sign_however_new(self, emoji: str) -> None:
        assert normalize_email(f"{emoji}x@example.com") == f"{emoji}x@example.com"

    @pytest.mark.parametrize(
        "character", ["\u3164", "\u2800", "\u200b", "\u202e", "\u2028", "\uf8ff"]
    )
    def test_a_character_that_does_not_show_is_refused(self, character: str) -> None:
        with pytest.raises(ValueError, match=f"U\\+{ord(character):04X}"):
            normalize_email(f"a{character}b@example.com")

    @pytest.mark.parametrize("character", ["x", "é", "🩷"])
    def test_64_octets_may_stand_before_the_at_sign_and_no_more(self, character: str) -> None:
        mailbox = character * (64 // len(character.encode()))
        assert normalize_email(f"{mailbox}@example.com") == f"{mailbox}@example.com"
        with pytest.raises(ValueError, match="at most 64 bytes"):
            normalize_email(f"{mailbox}x@example.com")

    @pytest.mark.parametrize(
        "domain", ["b" * 64 + ".com", "ü" * 60 + ".com", ".".join(["b" * 60] * 5) + ".com"]
    )
    def test_a_label_over_63_or_a_domain_over_253_octets_is_refused(self, domain: str) -> None:
        with pytest.raises(ValueError, match=r"[Aa]fter the @-sign"):
            normalize_email(f"a@{domain}")

    def test_254_octets_are_allowed_in_all(self) -> None:
        domain = ".".join(["b" * 60] * 3) + ".abcde.com"
        assert normalize_email(f"{'é' * 30}x@{domain}")
        with pytest.raises(ValueError, match="too long"):
            normalize_email(f"{'é' * 32}@{domain}")
