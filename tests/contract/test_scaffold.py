"""The code that `make subgraph` writes passes the linter under any name that it accepts."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.topology import ROOT
from deploy.scaffold.names import LONGEST, Names
from deploy.scaffold.templates import Extended, render

TYPES = [
    Extended("tweets", "Tweet", "A post " + "of many words " * 20, "Its id."),
    Extended("auth", "User", 'A "person".', ""),
]


def ruff(root: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "ruff", *arguments, "."]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("subscription", [False, True])
@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.name)
@pytest.mark.parametrize("name", ["oxes", "l" * (LONGEST - 1) + "s", "i" * (LONGEST - 1) + "s"])
def test_code_passes_the_linter_with_short_and_long_names(
    tmp_path: Path, type_: Extended, name: str, subscription: bool
) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for path, text in render(Names.of(name), type_, subscription=subscription).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    ruff(tmp_path, "check", "--quiet", "--fix", "--select", "I")
    ruff(tmp_path, "format", "--quiet")
    ruff(tmp_path, "check")
