"""The guide to roles, applied to a generated subgraph."""

import re
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

from chassis.topology import FILE, ROOT, read
from deploy.scaffold.__main__ import create
from deploy.scaffold.names import Names

pytestmark = pytest.mark.needs("tweets")

_COPIED = (".py", ".toml", ".graphql", ".jinja", ".example", "common_passwords.txt")
_BLOCK = re.compile(r"```(?:toml|python)\n(.*?)```\n", re.DOTALL)


def insert(file: Path, text: str, *, after: str = "", before: str = "") -> None:
    """Insert `text` into a file, at the one place that the guide names."""
    content, mark = file.read_text(), after or before
    assert content.count(mark) == 1, f"{file} has {mark!r} {content.count(mark)} times"
    file.write_text(content.replace(mark, after + text + before))


@pytest.fixture
def likes(tmp_path: Path) -> Path:
    """A copy of the repository with a generated subgraph, to which the guide was applied."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.decode()
    for name in filter(None, tracked.split("\0")):
        if (
            name.endswith((".py", ".toml", ".txt", ".graphql", ".jinja"))
            and (ROOT / name).is_file()
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    create(tmp_path, Names.of("likes"), "tweets")
    stanza, constant, field, test = _BLOCK.findall((ROOT / "docs/roles.md").read_text())
    with (tmp_path / FILE).open("a") as declaration:  # its stanza is the last one
        declaration.write(stanza)
    service, tests = tmp_path / "subgraphs/likes", tmp_path / "tests/unit/likes"
    constant, field = (indent(block, 4 * " ") for block in (constant, field))
    insert(service / "context.py", constant, after='    WRITE = "likes:write"\n')
    insert(service / "schema.py", f"\n{field}", before="\n\ndef build_schema(")
    insert(tests / "test_schema.py", f"\n\n{test}", after=(tests / "test_schema.py").read_text())
    return tmp_path


def test_guide_protects_a_field_of_a_generated_subgraph(likes: Path) -> None:
    assert read(likes).roles["moderator"] == {"likes:moderate"}
    command = [sys.executable, "-m", "pytest", "tests/unit/likes/test_schema.py"]
    done = subprocess.run(command, cwd=likes, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
