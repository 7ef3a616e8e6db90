"""The newest revision is found without Alembic, and is the one that Alembic finds."""

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from chassis.migrations import head, versions_of
from stack.services import subgraph_names


@pytest.mark.parametrize("service", subgraph_names())
def test_it_is_alembics(service: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(versions_of(service)))
    config.set_main_option("version_locations", str(versions_of(service)))
    config.set_main_option("path_separator", "newline")
    assert head(versions_of(service)) == ScriptDirectory.from_config(config).get_current_head()
    assert head(versions_of(service))


def test_there_is_none_without_migrations(tmp_path: Path) -> None:
    assert head(tmp_path) is None


def test_two_are_refused(tmp_path: Path) -> None:
    (tmp_path / "1.py").write_text('revision = "a"\ndown_revision = None\n')
    (tmp_path / "2.py").write_text('revision = "b"\ndown_revision = "a"\n')
    assert head(tmp_path) == "b"
    (tmp_path / "3.py").write_text('revision = "c"\ndown_revision = "a"\n')
    with pytest.raises(ValueError, match="more than one"):
        head(tmp_path)
