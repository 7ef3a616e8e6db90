"""The rules of usernames, logins, passwords, scopes and addresses."""

import re

import pytest

from stack.process import ROOT
from subgraphs.auth.domain import checked_scopes
from subgraphs.auth.emails import normalize_email
from subgraphs.auth.errors import InvalidInput, Problem
from subgraphs.auth.logins import (
    CONTEXT_WORDS,
    MAX_INPUT_LENGTH,
    Login,
    Password,
    folded,
    username_problems,
)


class TestUsername:
    @pytest.mark.parametrize("name", ["ada", "Ada_Lovelace", "x" * 20, "___", "007"])
    def test_valid_username_is_accepted(self, name: str) -> None:
        assert username_problems(name) == []

    @pytest.mark.parametrize(
        "name", ["", "ab", "x" * 21, "a b", "a-b", "ada\n", "ad\u00e9", "\u0661\u0662\u0663", "a@b"]
    )
    def test_invalid_username_is_refused(self, name: str) -> None:
        (problem,) = username_problems(name)
        assert problem.field == "username"
        assert problem.message == "Username must be 3 to 20 letters, digits or underscores."

    @pytest.mark.asvs("6.3.2")
    @pytest.mark.parametrize("name", ["admin", "Root", "GRAPHQL", "support"])
    def test_reserved_username_is_refused_in_any_case(self, name: str) -> None:
        (problem,) = username_problems(name)
        assert problem.field == "username"
        assert problem.message == "This username is reserved. Choose another."

    def test_username_that_begins_with_a_reserved_one_is_accepted(self) -> None:
        assert username_problems("me_") == []


class TestLogin:
    @pytest.mark.parametrize("typed", ["Ada_1", " Ada_1\n"])
    def test_text_without_an_at_sign_is_a_username(self, typed: str) -> None:
        login = Login.parse(typed, normalize_email)
        assert login == Login("Ada_1")
        assert not login.is_email

    @pytest.mark.parametrize("typed", ["ada@EXAMPLE.com", " ada@example.com\n"])
    def test_text_with_an_at_sign_is_a_normalised_address(self, typed: str) -> None:
        login = Login.parse(typed, normalize_email)
        assert login == Login("ada@example.com")
        assert login.is_email

    @pytest.mark.parametrize("typed", ["", "ab", "a b c", "@", "a@", "x" * 21])
    def test_text_that_names_no_user_is_refused(self, typed: str) -> None:
        with pytest.raises(ValueError, match=r"\w"):
            Login.parse(typed, normalize_email)


class TestPassword:
    def problems(self, password: str) -> list[str]:
        found = Password.parse(password).problems(
            username="ada_lovelace",
            email="ada@example.com",
            is_common=lambda p: p == "common one",
            product="Chirp",
        )
        assert {problem.field for problem in found} <= {"password"}
        return [problem.message for problem in found]

    @pytest.mark.asvs("6.2.5", "6.2.9")
    @pytest.mark.parametrize("password", ["x" * 8, "x" * 128, "\u00e9" * 8, "       8"])
    def test_password_of_8_to_128_characters_is_accepted(self, password: str) -> None:
        assert self.problems(password) == []

    @pytest.mark.asvs("6.2.1")
    @pytest.mark.parametrize("password", ["", "x" * 7, "x" * 129, "x" * 10_000])
    def test_password_of_another_length_is_refused(self, password: str) -> None:
        assert self.problems(password) == ["Password must be 8 to 128 characters."]

    def test_length_counts_characters_after_normalisation(self) -> None:
        decomposed = "e\u0301" * 7
        assert len(decomposed) == 14
        assert self.problems(decomposed)

    @pytest.mark.asvs("6.2.8")
    def test_composed_and_decomposed_password_are_the_same(self) -> None:
        assert Password.parse("cafe\u0301") == Password.parse("caf\u00e9") == Password("caf\u00e9")

    def test_largest_input_is_four_times_the_longest_password(self) -> None:
        assert MAX_INPUT_LENGTH == 512

    def test_text_up_to_the_largest_input_is_normalised(self) -> None:
        longest = "e\u0301" * (MAX_INPUT_LENGTH // 2)
        assert Password.parse(longest).text == "\u00e9" * (MAX_INPUT_LENGTH // 2)

    def test_longer_text_is_not_normalised_and_too_long_for_a_password(self) -> None:
        # Normalising the second one takes minutes.
        for typed in ("e\u0301" * (MAX_INPUT_LENGTH // 2) + "x", "a" + "\u0300\u0316" * 60_000):
            assert Password.parse(typed).text == typed
            assert self.problems(typed)

    @pytest.mark.parametrize("password", ["Ada_Lovelace", "ADA_LOVELACE", "ada@example.COM"])
    def test_username_or_address_as_password_is_refused(self, password: str) -> None:
        assert self.problems(password) == ["Password must not be your username or address."]

    @pytest.mark.asvs("6.1.2", "6.2.11")
    @pytest.mark.parametrize(
        "password",
        [
            *("lovelace1815!", "Ada_Lovelace.2026", "Chirp!2026", "chirp-chirp-12"),
            *("EXAMPLE.com99", "Admin123!", "p.a.s.s.w.o.r.d", "Chirp Password 1"),
            "12 Lovelace Login",
        ],
    )
    def test_words_of_account_and_product_alone_are_refused(self, password: str) -> None:
        (message,) = self.problems(password)
        assert message.startswith("Password must not consist of your username, your address, the")

    @pytest.mark.parametrize(
        "password",
        ["chirp horse 2026", "lovelaced machine", "12345678901", "       8", "adadadaad"],
    )
    def test_words_of_account_and_product_among_others_are_accepted(self, password: str) -> None:
        assert self.problems(password) == []

    @pytest.mark.asvs("6.1.2")
    def test_readme_names_every_context_word(self) -> None:
        text = (ROOT / "subgraphs" / "auth" / "README.md").read_text()
        (words,) = re.findall(r"context-specific words.*?: `([^`]*)`", text)
        assert set(words.split()) == CONTEXT_WORDS

    @pytest.mark.asvs("6.2.4")
    def test_common_password_is_refused(self) -> None:
        message = "This password is among the most common ones. Choose another."
        assert self.problems("common one") == [message]

    def test_representation_hides_the_password(self) -> None:
        assert "correct horse" not in repr(Password.parse("correct horse"))


class TestScopes:
    KNOWN = frozenset({"a", "b"})

    def test_no_request_means_all_scopes(self) -> None:
        assert checked_scopes(None, self.KNOWN) is None

    def test_requested_scopes_are_returned(self) -> None:
        assert checked_scopes(["b", "b"], self.KNOWN) == frozenset({"b"})

    def test_every_declared_scope_may_be_requested(self) -> None:
        assert checked_scopes(["a", "b"], self.KNOWN) == self.KNOWN

    @pytest.mark.parametrize("requested", [[], ["c"], ["a", "c"], [""]])
    def test_empty_or_unknown_request_is_refused(self, requested: list[str]) -> None:
        with pytest.raises(InvalidInput) as refused:
            checked_scopes(requested, self.KNOWN)
        assert refused.value.problems == [Problem("scopes", "Scopes must be one or more of: a, b.")]


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
    def test_address_is_stored_in_normal_form(self, given: str, stored: str) -> None:
        assert normalize_email(given) == stored

    @pytest.mark.parametrize(
        "given",
        [
            *("", "ada", "ada@", "@example.com", "a b@example.com", "a@b", "Ada <ada@example.com>"),
            *("\u00e9..x@example.com", "\u00e9.@example.com", "\u037ex@example.com"),
            *("\ud800@example.com", "a@\ud800.com"),
        ],
    )
    def test_invalid_address_is_refused_with_a_message(self, given: str) -> None:
        with pytest.raises(ValueError, match=r"\w"):
            normalize_email(given)

    @pytest.mark.parametrize("emoji", ["🙂", "🩷", "🫩", "❤️", "\u0378"])
    def test_emoji_before_the_at_sign_is_accepted_however_new(self, emoji: str) -> None:
        assert normalize_email(f"{emoji}x@example.com") == f"{emoji}x@example.com"

    @pytest.mark.parametrize(
        "character", ["\u3164", "\u2800", "\u200b", "\u202e", "\u2028", "\uf8ff"]
    )
    def test_invisible_character_is_refused_by_its_name(self, character: str) -> None:
        with pytest.raises(ValueError, match=f"U\\+{ord(character):04X}"):
            normalize_email(f"a{character}b@example.com")

    @pytest.mark.parametrize("character", ["x", "é", "🩷"])
    def test_more_than_64_bytes_before_the_at_sign_are_refused(self, character: str) -> None:
        mailbox = character * (64 // len(character.encode()))
        assert normalize_email(f"{mailbox}@example.com") == f"{mailbox}@example.com"
        with pytest.raises(ValueError, match="at most 64 bytes"):
            normalize_email(f"{mailbox}x@example.com")

    @pytest.mark.parametrize(
        "domain", ["b" * 64 + ".com", "ü" * 60 + ".com", ".".join(["b" * 60] * 5) + ".com"]
    )
    def test_label_over_63_or_domain_over_253_bytes_is_refused(self, domain: str) -> None:
        with pytest.raises(ValueError, match=r"[Aa]fter the @-sign"):
            normalize_email(f"a@{domain}")

    def test_address_over_254_bytes_is_refused(self) -> None:
        domain = ".".join(["b" * 60] * 3) + ".abcde.com"
        assert normalize_email(f"{'é' * 30}x@{domain}")
        with pytest.raises(ValueError, match="too long"):
            normalize_email(f"{'é' * 32}@{domain}")

    @pytest.mark.parametrize("excess", [1, 100_000])
    def test_longer_text_than_any_address_is_refused_before_it_is_normalised(
        self, excess: int
    ) -> None:
        address = "a" * (MAX_INPUT_LENGTH - len("@example.com") + excess) + "@example.com"
        with pytest.raises(ValueError, match="at most 254 bytes"):
            normalize_email(address)


class TestFolded:
    @pytest.mark.parametrize(
        "login", ["MIKE@example.com", "m\u0130ke@example.com", "mike@EXAMPLE.com"]
    )
    def test_logins_that_the_database_takes_for_one_fold_to_one(self, login: str) -> None:
        assert folded(login) == "mike@example.com"
