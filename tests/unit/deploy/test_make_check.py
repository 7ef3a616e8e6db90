"""`make check` shows all that is wrong, not only the first of it."""

import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path

import pytest

from stack.process import ROOT

TOOLS = [
    *("ruff format", "ruff check", "mypy", "lint-imports", "deploy.declaration"),
    *("deploy.generate", "deploy.validate", "pytest"),
]


PACKAGE = "packages/example"


def check(folder: Path, failing: Collection[str]) -> subprocess.CompletedProcess[str]:
    """Runs our Makefile with tools that write what they were called with."""
    shutil.copy(ROOT / "Makefile", folder)
    setup = folder / "stack" / "setup.sh"
    tools = [folder / ".venv" / "bin" / name for name in ("python", "lint-imports")]
    for script in (setup, *tools):
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
    broken = "\n".join(f'case "$0 $*" in *"{tool}"*) exit 2;; esac' for tool in failing)
    for tool in tools:
        tool.write_text(f'#!/bin/sh\necho "ran $0 $*"\n{broken}\n')
    return subprocess.run(
        ["make", "--no-print-directory", "check"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


class TestMakeCheck:
    def test_it_passes_where_every_tool_does(self, tmp_path: Path) -> None:
        done = check(tmp_path, [])
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == len(TOOLS)

    def test_the_types_of_each_package_are_checked_in_its_folder(self, tmp_path: Path) -> None:
        (tmp_path / PACKAGE).mkdir(parents=True)
        done = check(tmp_path, ["mypy"])
        assert len(done.stdout.splitlines()) == len(TOOLS) + 1
        assert f"make check failed at: types types:{PACKAGE}/" in done.stderr

    @pytest.mark.parametrize("failing", [[tool] for tool in TOOLS] + [TOOLS], ids=",".join)
    def test_every_tool_runs_and_the_failed_ones_are_named(
        self, tmp_path: Path, failing: list[str]
    ) -> None:
        done = check(tmp_path, failing)
        assert done.returncode != 0
        assert all(tool in done.stdout for tool in TOOLS)
        named = done.stderr.partition("make check failed at:")[2].splitlines()[0].split()
        assert len(named) == len(failing)
