"""Renames the product in every tracked file: `make rename NAME=… TITLE=…`.

The old name is `[project] name` in services.toml. It is replaced as a whole word: in lower case
(images, metrics), in capitals (variables) and as the title (pages, mails). The licence keeps the
name of the copyright holder.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from chassis.topology import FILE, ROOT, TopologyError, parse

KEPT = frozenset({"LICENSE"})
"""Files that keep the old name."""

_NAME = re.compile(r"[a-z][a-z0-9]{0,30}")
_TITLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .'-]{0,38}[A-Za-z0-9.]?")


class RenameError(Exception):
    """The product cannot have this name; the message says why."""


def rename(root: Path, name: str, title: str) -> list[str]:
    """Replace the product's name in the tracked files under `root`; return the changed paths.

    Raises RenameError or TopologyError, before any file is changed.
    """
    project = parse((root / FILE).read_text()).project
    _check(root, name, title)
    replacements = {
        project.name: name,
        project.name.upper(): name.upper(),
        project.title: title,
        project.name.capitalize(): title,
    }
    pattern = _word(*replacements)
    changed = []
    for path, text in _texts(root):
        target = path.with_name(_replace(pattern, replacements, path.name))
        replaced = _replace(pattern, replacements, text)
        if (target, replaced) != (path, text):
            (root / path).write_text(replaced)
            (root / path).rename(root / target)
            changed.append(str(target))
    return changed


def _check(root: Path, name: str, title: str) -> None:
    if not _NAME.fullmatch(name):
        raise RenameError(f"NAME={name} must be lower-case letters and digits, letter first.")
    if not _TITLE.fullmatch(title):
        raise RenameError(f"TITLE={title} must be letters, digits, spaces and . ' - only.")
    word = _word(name, name.upper())
    taken = [str(path) for path, text in _texts(root) if word.search(text)]
    if taken:
        raise RenameError(
            f"NAME={name} is already a word in {len(taken)} files ({', '.join(taken[:3])}, …): a "
            "later rename could not distinguish them. Choose a name that occurs nowhere."
        )


def _word(*names: str) -> re.Pattern[str]:
    longest_first = sorted(map(re.escape, names), key=len, reverse=True)
    return re.compile(rf"(?<![A-Za-z])(?:{'|'.join(longest_first)})(?![A-Za-z])")


def _replace(pattern: re.Pattern[str], replacements: Mapping[str, str], text: str) -> str:
    return pattern.sub(lambda match: replacements[match[0]], text)


def _texts(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the tracked files that are text, relative to `root`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        path = Path(name)
        if path.name in KEPT or not (root / path).is_file():
            continue
        try:
            yield path, (root / path).read_text()
        except UnicodeDecodeError:
            continue  # a picture


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make rename", description=__doc__)
    parser.add_argument("name", help="in identifiers: lower-case letters and digits")
    parser.add_argument("title", nargs="?", help="on pages and in mails; by default the name")
    given = parser.parse_args(arguments)
    try:
        changed = rename(ROOT, given.name, given.title or given.name.capitalize())
    except (RenameError, TopologyError) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"{len(changed)} files changed (`git diff`). Pictures in docs/img keep the old name.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
