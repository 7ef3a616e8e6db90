"""The list of common passwords."""

import unicodedata
from importlib.resources import files

import pytest

from subgraphs.auth import common_passwords
from subgraphs.auth.common_passwords import is_common
from subgraphs.auth.logins import PASSWORD_LENGTH

WORDS = (
    files("subgraphs.auth").joinpath(common_passwords.LIST).read_text().partition("\n\n")[2]
).split("\n")[:-1]


class TestIsCommon:
    @pytest.mark.parametrize(
        "password",
        ["password", "Password1", "12345678", "QWERTYUIOP", "iloveyou1", "p@ssw0rd", "987654321"],
    )
    def test_common_password_is_recognised_in_any_case(self, password: str) -> None:
        assert is_common(password)

    @pytest.mark.parametrize(
        "password",
        [
            "",
            "correct horse battery",
            "passwor",  # a part of one
            "password\npassword1",  # neighbours in the list
            "\npassword",
            "# from dropbox",
            "\ud800\0 of eight",
        ],
    )
    def test_other_text_is_not_common(self, password: str) -> None:
        assert not is_common(password)

    def test_every_word_of_the_list_is_recognised(self) -> None:
        assert all(map(is_common, WORDS))


class TestList:
    @pytest.mark.asvs("6.2.4")
    def test_list_has_the_3000_most_common_that_an_account_could_have(self) -> None:
        """OWASP ASVS 5.0, 6.2.4."""
        assert len(WORDS) > 3_000
        assert all(len(word) in PASSWORD_LENGTH for word in WORDS)

    def test_words_have_the_form_that_is_compared(self) -> None:
        assert all(word == unicodedata.normalize("NFC", word).casefold() for word in WORDS)

    def test_words_are_sorted_and_unique(self) -> None:
        assert sorted(set(WORDS)) == WORDS

    def test_licences_of_the_sources_are_beside_the_list(self) -> None:
        text = files("subgraphs.auth").joinpath(f"{common_passwords.LIST}.license").read_text()
        assert "Dropbox" in text
        assert "Django" in text
