"""Node.js with the clients, and the server of the tests."""

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "tests"))

from streams_server import Running, serving  # noqa: E402


@pytest.fixture(scope="session")
def node() -> str:
    """Return Node.js, after `npm ci` if the clients are not there. It must be in PATH."""
    found = shutil.which("node")
    npm = shutil.which("npm")
    assert found, "These tests need Node.js 20 or newer in PATH."
    if not (FOLDER / "node_modules" / "graphql-ws").exists():
        assert npm, "These tests need npm in PATH."
        subprocess.run([npm, "ci", "--ignore-scripts", "--prefix", str(FOLDER)], check=True)
    return found


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    async with serving() as running:
        yield running
