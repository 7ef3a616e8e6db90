"""The npm packages of a folder are installed once, by one process at a time."""

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stack import node
from stack.commands import Commands
from stack.console import Console
from stack.locks import locked
from stack.process import ROOT, StackError, StoppedError

INSTALL = """
import io, sys, threading
from pathlib import Path
from stack import node
from stack.commands import Commands
from stack.console import Console
node.ROOT = Path(sys.argv[1])
node.find_node = lambda _: Path(sys.executable)
node._npm = lambda _: [sys.executable, sys.argv[2]]
commands = Commands(Console(io.StringIO()), threading.Event())
node.install_packages(commands, Path(sys.argv[1]) / "packages")
"""
"""Installs the packages of a folder with a program in the place of npm."""

NPM = """
import pathlib, shutil, sys, time
root = pathlib.Path(__file__).parent
modules = root / "packages" / "node_modules"
shutil.rmtree(modules, ignore_errors=True)
modules.mkdir()
busy = root / "busy"
busy.touch(exist_ok=False)  # fails where another npm is at work
with (root / "runs").open("a") as runs:
    runs.write("x")
time.sleep(0.3)
busy.unlink()
(modules / "package").touch()
sys.exit((root / "fails").exists())
"""
"""Removes the packages and installs them, as npm ci does."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "package-lock.json").write_text(json.dumps({"lockfileVersion": 3}))
    (tmp_path / "npm.py").write_text(NPM)
    return tmp_path


def install(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", INSTALL, folder, folder / "npm.py"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def runs(folder: Path) -> int:
    return len((folder / "runs").read_text())


class TestInstallPackages:
    def test_several_processes_install_once(self, folder: Path) -> None:
        processes = [install(folder) for _ in range(4)]
        for process in processes:
            _, wrote = process.communicate(timeout=60)
            assert process.returncode == 0, wrote
        assert runs(folder) == 1
        assert (folder / "packages" / "node_modules" / "package").exists()

    def test_failed_installation_is_repeated(self, folder: Path) -> None:
        (folder / "fails").touch()
        process = install(folder)
        assert "StackError" in process.communicate(timeout=60)[1]
        (folder / "fails").unlink()
        process = install(folder)
        assert process.communicate(timeout=60)[1] == ""
        assert runs(folder) == 2

    def test_interrupted_installation_is_repeated_with_the_earlier_lock_file(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The interrupted installation may have removed packages of the earlier lock file."""
        monkeypatch.setattr(node, "ROOT", folder)
        monkeypatch.setattr(node, "find_node", lambda _: Path(sys.executable))
        monkeypatch.setattr(
            node, "_npm", lambda _: [sys.executable, "-c", "import sys; sys.exit(1)"]
        )
        commands = Commands(Console(io.StringIO()), threading.Event())
        install(folder).communicate(timeout=60)
        lock = folder / "packages" / "package-lock.json"
        before = lock.read_text()
        lock.write_text("{}")
        with pytest.raises(StackError):
            node.install_packages(commands, folder / "packages")
        lock.write_text(before)
        install(folder).communicate(timeout=60)
        assert runs(folder) == 2


class TestLocked:
    def test_interruption_ends_the_wait_for_a_lock(self, tmp_path: Path) -> None:
        file = tmp_path / "lock"
        file.touch()
        interrupted = threading.Event()
        interrupted.set()
        with (
            locked(file, threading.Event()),
            pytest.raises(StoppedError),
            locked(file, interrupted),
        ):
            raise AssertionError("two hold the lock at once")
