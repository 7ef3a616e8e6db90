"""Applies the code of a guide in docs/ to a copy of the repository, as its reader would.

A sentence before each block says where it goes: "`FILE`, below `LINE`:", "above", "instead of",
"`FILE`, at the end:", or "`FILE`, a new file:". The line, or its beginning, occurs once in the
file, unless it is "the last"; one that is replaced is named whole. The block is inserted as
printed.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from chassis.topology import ROOT, read
from deploy.scaffold.__main__ import create
from deploy.scaffold.names import Names

_PLACE = (
    r"`([^`\n]+)`, (?:(below|above|instead of(?: the (?:last|line))?) `([^`\n]+)`"
    r"|(at the end|a new file)):\n\n"
)
_EDIT = re.compile(_PLACE + r"```\w+\n(.*?)```$", re.DOTALL | re.MULTILINE)
_SHELL = re.compile(r"^ *```sh\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_SUBGRAPH = re.compile(r"^make subgraph NAME=(\w+)(?: EXTENDS=(\w+))?$", re.MULTILINE)
_COPIED = (".py", ".toml", ".txt", ".graphql", ".jinja", ".json", ".example", ".proto")


@dataclass(frozen=True)
class Edit:
    """A block of code and its place."""

    file: str
    place: str
    line: str
    text: str

    def apply(self, root: Path) -> None:
        """Change the file; fails if the line is not there exactly once."""
        path = root / self.file
        if self.place in {"at the end", "a new file"}:
            assert self.place == "at the end" or not path.exists(), f"{self.file} is not new"
            path.parent.mkdir(parents=True, exist_ok=True)
            content = path.read_text() if path.exists() else ""
            path.write_text(
                content + ("\n\n" if content and path.suffix == ".py" else "") + self.text
            )
            return
        lines = path.read_text().splitlines(keepends=True)
        found = [number for number, line in enumerate(lines) if self._fits(line.strip())]
        found = found[-1:] if self.place.endswith("last") else found
        assert len(found) == 1, f"{self.file} has {self.line!r} {len(found)} times"
        start = found[0] + (self.place == "below")
        lines[start : found[0] + (self.place != "above")] = [self.text]
        path.write_text("".join(lines))

    def _fits(self, line: str) -> bool:
        return line == self.line if self.place.startswith("instead") else line.startswith(self.line)


def edits(page: str) -> Iterator[Edit]:
    """Yield the blocks of a page that change files, in order."""
    for file, place, line, end, text in _EDIT.findall((ROOT / page).read_text()):
        yield Edit(file, place or end, line, text)


def shell(page: str) -> list[str]:
    """Return the blocks of a page that a shell runs, in order."""
    return [dedent(block) for block in _SHELL.findall((ROOT / page).read_text())]


def subgraphs(page: str) -> dict[str, str]:
    """Return the subgraphs that a page makes, and the service whose type each extends, if named."""
    return dict(_SUBGRAPH.findall("\n".join(shell(page))))


def our_files() -> Iterator[str]:
    """Yield the paths of the files that Git does not ignore, but for those that are deleted."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    for name in filter(None, done.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            yield name


def copy(root: Path) -> None:
    """Copy the files that tests of a service need, with uncommitted changes."""
    for name in our_files():
        if name.endswith(_COPIED):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes((ROOT / name).read_bytes())


def follow(page: str, root: Path) -> None:
    """Copy the repository, write the subgraphs that the page makes, and apply its code.

    The subgraphs are sorted and formatted before, as `make subgraph` does.
    """
    copy(root)
    for name, owner in subgraphs(page).items():
        create(root, Names.of(name), owner or None)
    python(root, "-m", "ruff", "check", "--quiet", "--fix", "--select=I", "subgraphs", "tests")
    python(root, "-m", "ruff", "format", "--quiet", "subgraphs", "tests")
    for edit in edits(page):
        edit.apply(root)
    assert read(root).services


def python(root: Path, *arguments: str, **environment: str) -> None:
    """Run Python in the copy; fails with what it printed."""
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=False, env=os.environ | environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
