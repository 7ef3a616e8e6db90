"""The filter of leaked passwords: what it finds, its size, its errors, and its command."""

import argparse
import hashlib
import io
import random
from pathlib import Path

import pytest

from subgraphs.auth import breached_passwords, passwords_cli
from subgraphs.auth.breached_passwords import BreachedPasswords, InvalidFilterError, build


def sha1(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


def filter_of(tmp_path: Path, text: str, *, at_least: int = 1) -> BreachedPasswords:
    build(io.BytesIO(text.encode()), tmp_path / "filter", at_least=at_least)
    return BreachedPasswords(tmp_path / "filter")


class TestFilter:
    @pytest.mark.asvs("6.2.12")
    @pytest.mark.parametrize("line_end", ["\n", "\r\n"])
    def test_hashes_with_counts_are_found(self, tmp_path: Path, line_end: str) -> None:
        leaked = ["correct horse", "hunter22", "\u00e9t\u00e9 2026!"]
        lines = sorted(f"{sha1(password)}:{n}" for n, password in enumerate(leaked, start=1))
        is_breached = filter_of(tmp_path, line_end.join([*lines, ""]))
        assert all(map(is_breached, leaked))
        assert not is_breached("correct horses")
        assert not is_breached("Hunter22")
        assert is_breached.count == 3

    def test_plain_passwords_are_found_in_the_normal_form(self, tmp_path: Path) -> None:
        is_breached = filter_of(tmp_path, "cafe\u0301 cre\u0300me\nhunter22\nhunter22\n\n")
        assert is_breached("caf\u00e9 cr\u00e8me")
        assert is_breached("hunter22")
        assert is_breached.count == 2

    def test_rare_passwords_are_left_out_on_request(self, tmp_path: Path) -> None:
        text = f"{sha1('often leaked')}:10\n{sha1('leaked once')}:1\n"
        is_breached = filter_of(tmp_path, text, at_least=10)
        assert is_breached("often leaked")
        assert not is_breached("leaked once")

    def test_order_of_the_lines_does_not_matter(self, tmp_path: Path) -> None:
        lines = [f"{sha1(str(n))}:1" for n in range(1_000)]
        in_order = filter_of(tmp_path, "\n".join(sorted(lines)))
        expected = (tmp_path / "filter").read_bytes()
        filter_of(tmp_path, "\n".join(reversed(lines)))
        assert (tmp_path / "filter").read_bytes() == expected
        assert all(in_order(str(n)) for n in range(1_000))

    def test_every_one_of_many_is_found_and_three_bytes_each_are_taken(
        self, tmp_path: Path
    ) -> None:
        count = 100_000
        is_breached = filter_of(tmp_path, "".join(f"leaked {n}\n" for n in range(count)))
        assert all(is_breached(f"leaked {n}") for n in range(count))
        assert (tmp_path / "filter").stat().st_size < 3.5 * count
        # One in 260,000 is found by mistake; of these, one is expected at most.
        assert sum(is_breached(f"not leaked {n}") for n in range(100_000)) < 5

    def test_text_that_is_no_unicode_is_no_error(self, tmp_path: Path) -> None:
        assert not filter_of(tmp_path, "hunter22")("\ud800 lone surrogate")
        build(iter([b"caf\xe9 latin\n"]), tmp_path / "filter")
        assert BreachedPasswords(tmp_path / "filter").count == 1

    def test_neighbours_in_a_bucket_make_no_password_of_their_parts(self, tmp_path: Path) -> None:
        # A search in bytes could find a suffix across two others.
        chance = random.Random(1)
        hashes = [chance.randbytes(20).hex() for _ in range(20_000)]
        is_breached = filter_of(tmp_path, "".join(f"00{hash_[2:]}:1\n" for hash_ in hashes))
        found = sum(is_breached(f"password {n}") for n in range(100_000))
        assert found < 5


class TestErrors:
    @pytest.mark.parametrize("content", [b"", b"leaked", b"x" * 100])
    def test_other_file_is_no_filter(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "filter").write_bytes(content)
        with pytest.raises(InvalidFilterError, match="filter"):
            BreachedPasswords(tmp_path / "filter")

    def test_file_that_was_cut_is_no_filter(self, tmp_path: Path) -> None:
        filter_of(tmp_path, "hunter22\nhunter23\n")
        (tmp_path / "cut").write_bytes((tmp_path / "filter").read_bytes()[:-1])
        with pytest.raises(InvalidFilterError, match="not complete"):
            BreachedPasswords(tmp_path / "cut")

    def test_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidFilterError, match="filter cannot be read"):
            BreachedPasswords(tmp_path / "filter")

    def test_mixed_lines_are_refused_by_their_number_and_leave_nothing(
        self, tmp_path: Path
    ) -> None:
        text = f"{sha1('a')}:1\nhunter22\n"
        with pytest.raises(InvalidFilterError, match="line 2 is not SHA-1:count") as refused:
            filter_of(tmp_path, text)
        assert "hunter22" not in str(refused.value)
        assert list(tmp_path.iterdir()) == []

    def test_empty_download_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidFilterError, match="no password"):
            filter_of(tmp_path, "\n\n")


class TestCommand:
    def run(self, *arguments: str) -> None:
        parser = argparse.ArgumentParser()
        passwords_cli.add_commands(parser.add_subparsers())
        parsed = parser.parse_args(arguments)
        parsed.run(parsed)

    def test_filter_is_built_from_a_file(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "download").write_text(f"{sha1('hunter22')}:5\n{sha1('rare')}:1\n")
        self.run(
            "build-filter", str(tmp_path / "download"), str(tmp_path / "out"), "--at-least", "2"
        )
        assert "out: 1 passwords, " in capsys.readouterr().out
        assert BreachedPasswords(tmp_path / "out")("hunter22")

    def test_missing_download_and_bad_line_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(SystemExit, match="download: No such file"):
            self.run("build-filter", str(tmp_path / "download"), str(tmp_path / "out"))
        (tmp_path / "download").write_text(f"{sha1('a')}:1\nb\n")
        with pytest.raises(SystemExit, match="download: line 2"):
            self.run("build-filter", str(tmp_path / "download"), str(tmp_path / "out"))


def test_bucket_bits_fit_into_the_hash() -> None:
    """With more passwords than this, buckets grow, and so does the number of mistakes."""
    most = 2**breached_passwords._LARGEST_BUCKET_BITS * breached_passwords._IN_A_BUCKET
    assert most >= 1_000_000_000
