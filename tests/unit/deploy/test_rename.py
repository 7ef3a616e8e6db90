"""The product is renamed in every file that names it, and other words stay."""

import subprocess
from pathlib import Path

import pytest

from deploy.rename import RenameError, rename

SERVICES = """
[project]
name = "wren"
title = "Wren"

[services.auth]
module = "subgraphs.auth"
kind = "subgraph"
port = 4101
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    files = {
        "services.toml": SERVICES,
        "LICENSE": "Copyright Wren authors",
        "README.md": "# Wren\nWren's mail; WREN_URL, wren-auth, wren_mails_total.\n",
        "wren.yaml": "name: wren\n",
        "birds.md": "They wrens; wrenlike.\n",
        "page.bin": "\0\xff",
    }
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode("latin-1"))
    for command in (("init", "-q"), ("add", "-A")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


class TestRename:
    def test_every_form_of_the_name_is_replaced(self, repository: Path) -> None:
        rename(repository, "rook", "Rook Talk")
        assert (repository / "README.md").read_text() == (
            "# Rook Talk\nRook Talk's mail; ROOK_URL, rook-auth, rook_mails_total.\n"
        )
        assert 'name = "rook"\ntitle = "Rook Talk"' in (repository / "services.toml").read_text()

    def test_file_name_with_the_old_name_is_renamed(self, repository: Path) -> None:
        rename(repository, "rook", "Rook")
        assert (repository / "rook.yaml").read_text() == "name: rook\n"
        assert not (repository / "wren.yaml").exists()

    def test_licence_and_other_words_are_unchanged(self, repository: Path) -> None:
        rename(repository, "rook", "Rook")
        assert (repository / "LICENSE").read_text() == "Copyright Wren authors"
        assert (repository / "birds.md").read_text() == "They wrens; wrenlike.\n"
        assert (repository / "page.bin").read_bytes() == b"\0\xff"

    def test_second_rename_starts_from_the_first(self, repository: Path) -> None:
        before = (repository / "README.md").read_text()
        rename(repository, "rook", "Rook Talk")
        subprocess.run(["git", "add", "-A"], cwd=repository, check=True)
        rename(repository, "wren", "Wren")
        assert (repository / "README.md").read_text() == before

    @pytest.mark.parametrize(
        ("name", "title", "problem"),
        [
            ("Rook", "Rook", "NAME=Rook must be"),
            ("rook-talk", "Rook", "NAME=rook-talk must be"),
            ("rook", "<b>", "TITLE=<b> must be"),
            ("auth", "Auth", "NAME=auth is already a word in 2 files"),
        ],
    )
    def test_invalid_name_changes_nothing(
        self, repository: Path, name: str, title: str, problem: str
    ) -> None:
        with pytest.raises(RenameError, match=problem):
            rename(repository, name, title)
        assert "# Wren" in (repository / "README.md").read_text()
