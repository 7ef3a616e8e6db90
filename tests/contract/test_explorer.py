"""The explorer's own checks: its types, and its logic without a browser."""

import io
import subprocess
import threading
from pathlib import Path

import pytest

from stack.commands import Commands
from stack.console import Console
from stack.explorer import PACKAGES
from stack.node import install_packages


@pytest.fixture(scope="module")
def node() -> Path:
    return install_packages(Commands(Console(io.StringIO()), threading.Event()), PACKAGES)


class TestExplorer:
    @pytest.mark.parametrize(
        "command", ["typescript/bin/tsc", "vitest/vitest.mjs run --no-isolate"]
    )
    def test_type_check_and_unit_tests_pass(self, node: Path, command: str) -> None:
        program, *arguments = command.split()
        checked = subprocess.run(
            [node, PACKAGES / "node_modules" / program, *arguments],
            cwd=PACKAGES,
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
