"""A fork takes a later release by the commands of docs/upgrading.md, before and after a rename."""

import subprocess
from pathlib import Path

import pytest

from chassis.topology import ROOT, read
from tests.fork import Fork, fork, linked
from tests.guides import shell

pytestmark = pytest.mark.timeout(600)

ONCE, MERGE, RENAME_AND_MERGE = shell("docs/upgrading.md")
OURS, THEIRS = "chassis/text.py", "chassis/paging.py"
"""Files that the fork and the release change, each at its end."""
PRODUCT = read(ROOT).project.name
NEW_NAME = PRODUCT[::-1]
IDENTITY = (
    "export GIT_AUTHOR_NAME=f GIT_AUTHOR_EMAIL=f@f GIT_COMMITTER_NAME=f GIT_COMMITTER_EMAIL=f@f\n"
)


def change(root: Path, file: str, comment: str) -> None:
    with (root / file).open("a") as text:
        text.write(f"\n# {comment}\n")


@pytest.fixture
def mine(tmp_path: Path) -> Fork:
    """A fork of release 0.1.0 with a commit of its own; 0.2.0 is there to be taken."""
    upstream = fork(tmp_path / "upstream")
    upstream.shell("git tag v0.1.0")
    root = tmp_path / "mine"
    subprocess.run(["git", "clone", "-q", upstream.root, root], check=True)
    linked(root)
    change(upstream.root, THEIRS, f"{PRODUCT} 0.2.0")
    upstream.commit("0.2.0")
    upstream.shell("git tag v0.2.0")
    mine = Fork(root)
    change(root, OURS, "ours")
    mine.commit("Our change")
    mine.shell(ONCE.replace("<address of this repository>", str(upstream.root)))
    return mine


def test_release_is_merged(mine: Fork) -> None:
    mine.shell(IDENTITY + MERGE)
    assert (mine.root / OURS).read_text().endswith("# ours\n")
    assert (mine.root / THEIRS).read_text().endswith(f"# {PRODUCT} 0.2.0\n")


def test_release_is_merged_without_a_conflict_after_a_rename(mine: Fork) -> None:
    name = f'NAME={NEW_NAME} TITLE="{NEW_NAME.capitalize()}"'
    mine.shell(f"make rename {name}")
    mine.commit("Rename")
    mine.shell("git switch -q -c upgrade-0.2.0")
    mine.shell(IDENTITY + RENAME_AND_MERGE.replace('NAME=… TITLE="…"', name))
    assert (mine.root / OURS).read_text().endswith("# ours\n")
    assert (mine.root / THEIRS).read_text().endswith(f"# {NEW_NAME} 0.2.0\n")
    assert mine.changes() == set()
    for check in ("deploy.generate", "deploy.reference"):
        mine.python("-m", check, "--check")
