"""A check is left out only if it passed with the same files."""

import subprocess
from pathlib import Path

import pytest

from deploy.passed import Passed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a repository with two folders."""
    root = tmp_path / "root"
    for name in ("router/edge.py", "deploy/secrets.sh", "requirements/dev.txt"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("1")
    (root / ".gitignore").write_text("*.log\n")
    subprocess.run(["git", "init", "--quiet", root], check=True)
    return root


def passed(root: Path) -> Passed:
    return Passed({"edge": ["router"]}, root, root.parent / "passed")


class TestPassed:
    def test_check_that_never_passed_is_not_unchanged(self, root: Path) -> None:
        assert not passed(root).is_unchanged("edge")

    def test_check_that_passed_is_unchanged(self, root: Path) -> None:
        passed(root).record("edge")
        assert passed(root).is_unchanged("edge")

    def test_check_that_reads_everything_is_never_unchanged(self, root: Path) -> None:
        passed(root).record("lint")
        assert not passed(root).is_unchanged("lint")

    @pytest.mark.parametrize("file", ["router/edge.py", "router/new.py", "requirements/dev.txt"])
    def test_edit_of_a_file_that_it_reads_makes_it_run(self, root: Path, file: str) -> None:
        passed(root).record("edge")
        (root / file).write_text("2")
        assert not passed(root).is_unchanged("edge")

    def test_removed_file_makes_it_run(self, root: Path) -> None:
        (root / "router" / "accept.py").write_text("")
        passed(root).record("edge")
        (root / "router" / "accept.py").unlink()
        assert not passed(root).is_unchanged("edge")

    @pytest.mark.parametrize("file", ["deploy/secrets.sh", "router/edge.log"])
    def test_edit_of_another_file_does_not(self, root: Path, file: str) -> None:
        passed(root).record("edge")
        (root / file).write_text("2")
        assert passed(root).is_unchanged("edge")

    def test_edit_during_the_check_makes_it_run_again(self, root: Path) -> None:
        running = passed(root)
        (root / "router" / "edge.py").write_text("2")
        running.record("edge")
        assert not passed(root).is_unchanged("edge")

    def test_source_archive_has_no_unchanged_checks(self, root: Path) -> None:
        passed(root).record("edge")
        (root / ".git").rename(root / "git")
        assert not passed(root).is_unchanged("edge")
