"""Gathers the pages of the site and the files to which they link, at the paths that they have here.

So links need no change and every page keeps its place in the repository. A source file gets the
ending .txt, which every browser shows; a folder without a README becomes a list of its files.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

from chassis.topology import ROOT
from deploy.docs.flavour import for_python_markdown
from deploy.docs.links import replace

_README = "README.md"
_SHOWN = {".md", ".png", ".svg"}
"""The endings of files that keep their names."""


def gather(pages: Iterable[str], folder: Path) -> None:
    """Write the pages, and every file to which they lead, to a folder that is emptied before."""
    shutil.rmtree(folder, ignore_errors=True)
    gathering = _Gathering(folder)
    for page in pages:
        gathering.add(ROOT / page)


class _Gathering:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[Path] = set()

    def add(self, path: Path) -> None:
        """Write a file, and what a page links to."""
        if path in self._seen:
            return
        self._seen.add(path)
        written = self._folder / _name(path).relative_to(ROOT)
        written.parent.mkdir(parents=True, exist_ok=True)
        if written.suffix == ".md":
            text = path.read_text() if path.exists() else _listing(path.parent)
            text = for_python_markdown(text)
            written.write_text(replace(text, lambda target: self._follow(path, target)))
        else:
            shutil.copyfile(path, written)

    def _follow(self, page: Path, target: str) -> str:
        """Add the file of a link and return the link to its copy."""
        path, mark, anchor = target.partition("#")
        if not path:
            return target
        linked = (page.parent / path).resolve()
        if not linked.exists():  # a service that a fork has removed; else test_links.py reports it
            return "#"
        if linked.is_dir():
            linked, path = linked / _README, f"{path.rstrip('/')}/{_README}"
        self.add(linked)
        named = path.removesuffix(linked.name) + _name(linked).name
        return named + (mark + anchor if linked.suffix == ".md" else "")


def _name(path: Path) -> Path:
    return path if path.suffix in _SHOWN else path.with_name(f"{path.name}.txt")


def _listing(folder: Path) -> str:
    """Return a page with the names of a folder's files, each a link."""
    files = sorted(file.name for file in folder.iterdir() if file.is_file())
    lines = [f"- [{name}]({name})" for name in files if name[0] != "."]
    return f"# {folder.relative_to(ROOT)}\n\n" + "\n".join(lines) + "\n"
