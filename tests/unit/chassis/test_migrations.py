"""`head` finds the newest revision without Alembic, and finds the same one as Alembic."""

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from chassis.migrations import head, is_later, versions_of
from stack.services import subgraph_names


class TestHead:
    @pytest.mark.parametrize("service", subgraph_names())
    def test_head_is_the_one_that_alembic_finds(self, service: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(versions_of(service)))
        config.set_main_option("version_locations", str(versions_of(service)))
        config.set_main_option("path_separator", "newline")
        assert head(versions_of(service)) == ScriptDirectory.from_config(config).get_current_head()
        assert head(versions_of(service))

    def test_folder_without_migrations_has_no_head(self, tmp_path: Path) -> None:
        assert head(tmp_path) is None

    def test_two_heads_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "1.py").write_text('revision = "a"\ndown_revision = None\n')
        (tmp_path / "2.py").write_text('revision = "b"\ndown_revision = "a"\n')
        assert head(tmp_path) == "b"
        (tmp_path / "3.py").write_text('revision = "c"\ndown_revision = "a"\n')
        with pytest.raises(ValueError, match="more than one"):
            head(tmp_path)


class TestIsLater:
    @pytest.mark.parametrize(
        ("found", "wanted", "later"),
        [
            ("tweets0003", "tweets0002", True),
            ("tweets0002", "tweets0002", False),
            ("tweets0001", "tweets0002", False),
            ("auth0003", "tweets0002", False),
            (None, "tweets0002", False),
            ("tweets0003", None, False),
        ],
    )
    def test_later_revision_is_a_higher_number_of_the_same_service(
        self, found: str | None, wanted: str | None, later: bool
    ) -> None:
        assert is_later(found, wanted) is later
