"""Records which checks passed with which files, so that unchanged checks need not run again."""

import hashlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from chassis.topology import ROOT

FOLDER = ROOT / ".venv" / "passed"
"""Part of the environment, so a new environment runs every check."""

ALWAYS_READ = ("pyproject.toml", "requirements")
"""The settings of the tools, and their versions."""


class Passed:
    """The checks that passed, each with the digest of the files that it reads.

    The digests are those of the moment of creation: a file that is edited while a check runs makes
    the check run again.
    """

    def __init__(
        self, reads: Mapping[str, Sequence[str]], root: Path = ROOT, folder: Path = FOLDER
    ) -> None:
        """`reads` has the files and folders that the result of each check depends on."""
        self._folder = folder
        self._digests = {}
        if (root / ".git").exists():  # a source archive cannot list its files: every check runs
            for name, paths in reads.items():
                self._digests[name] = _digest(root, [*paths, *ALWAYS_READ])

    def is_unchanged(self, name: str) -> bool:
        """Return whether the check passed with the same files. False for an unknown check."""
        file = self._file(name)
        return name in self._digests and file.exists() and file.read_text() == self._digests[name]

    def record(self, name: str) -> None:
        """Record that the check passed. An unknown check is not recorded."""
        if name in self._digests:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file(name).write_text(self._digests[name])

    def _file(self, name: str) -> Path:
        return self._folder / name.replace("/", "-").replace(" ", "-")


def _digest(root: Path, paths: Sequence[str]) -> str:
    """Return a digest of the Python version, and of the names and contents of the files."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths],  # noqa: S607
        cwd=root,
        capture_output=True,
        check=True,
    )
    digest = hashlib.sha256(sys.version.encode())
    for name in sorted(set(filter(None, listed.stdout.split(b"\0")))):
        file = root / name.decode()
        content = file.read_bytes() if file.is_file() else b"deleted"
        digest.update(b"\0".join([name, hashlib.sha256(content).digest()]))
    return digest.hexdigest()
