"""A copy of the repository that tests change as a fork would."""

import io
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from chassis.topology import ROOT
from deploy import validate
from stack import explorer, mailbox
from stack.commands import Commands
from stack.console import Console
from stack.node import ROUTER_PACKAGES, install_packages
from tests.e2e.subscribers import CLIENTS
from tests.guides import our_files

_AUTHOR = ("-c", "user.name=fork", "-c", "user.email=fork@example.com")


@dataclass(frozen=True)
class Fork:
    """A repository with one commit that uses the packages installed here."""

    root: Path

    def python(self, *arguments: str, **environment: str) -> str:
        """Run Python in the fork and return what it printed. Fails with all of that."""
        return self._run(sys.executable, *arguments, **environment)

    def script(self, name: str, *arguments: str) -> str:
        """Run a program that a Python package installed."""
        return self._run(str(Path(sys.executable).with_name(name)), *arguments)

    def shell(self, script: str) -> str:
        """Run a script as a reader of the documentation types it; make installs nothing."""
        make = (
            f'make() {{ command make -s -o setup -o setup-stack PYTHON_IN={sys.executable} "$@"; }}'
        )
        return self._run("bash", "-euc", f"{make}\n{script}")

    def commit(self, message: str) -> None:
        """Commit every change."""
        self._run("git", "add", "-A")
        self._run("git", *_AUTHOR, "commit", "-q", "-m", message)

    def changes(self, since: str = "HEAD") -> set[str]:
        """Return the paths of the files that differ from a commit, new ones included."""
        changed = self._run("git", "diff", "--name-only", since)
        new = self._run("git", "ls-files", "--others", "--exclude-standard")
        return {*changed.splitlines(), *new.splitlines()}

    def _run(self, *command: str, **environment: str) -> str:
        result = subprocess.run(
            command,
            cwd=self.root,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}"
        return result.stdout


def fork(root: Path) -> Fork:
    """Copy the files that Git does not ignore, with uncommitted changes, and commit them."""
    for name in our_files():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, root / name)
    made = Fork(root)
    made._run("git", "init", "-q")
    made.commit("Fork")
    linked(root)
    return made


def linked(root: Path) -> None:
    """Use the validators, npm packages and explorer of this repository, to save a minute."""
    commands = Commands(Console(io.StringIO()), threading.Event())
    explorer.build(commands)
    validate.install()
    shutil.copytree(
        explorer.PACKAGES / "dist", root / "explorer" / "dist"
    )  # a fork may build its own
    linked = [validate.ENVIRONMENT]
    for folder in (ROUTER_PACKAGES, mailbox.PACKAGES, explorer.PACKAGES, CLIENTS):
        install_packages(commands, folder)
        linked.append(folder / "node_modules")
    names = [path.relative_to(ROOT) for path in linked]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(ROOT / name, target_is_directory=True)
    # A pattern of .gitignore that ends in a slash does not match a link.
    with (root / ".git" / "info" / "exclude").open("a") as exclude:
        exclude.writelines(f"/{name}\n" for name in names)
