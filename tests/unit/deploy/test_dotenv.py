"""Files of settings are read line by line."""

from pathlib import Path

import pytest

from deploy.dotenv import DotenvError, read


class TestRead:
    def test_quotes_and_comments_are_dropped(self, tmp_path: Path) -> None:
        (tmp_path / "env").write_text("# A=1\n\nB='two'\nC=\n")
        assert read(tmp_path / "env") == {"B": "two", "C": ""}

    def test_line_without_a_value_is_refused_by_its_number(self, tmp_path: Path) -> None:
        (tmp_path / "env").write_text("A=1\nnonsense\n")
        with pytest.raises(DotenvError, match="line 2: write NAME=value"):
            read(tmp_path / "env")
