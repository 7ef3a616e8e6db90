"""Relative links and anchors in Markdown lead somewhere, and so do the pages that code names."""

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from chassis.topology import ROOT, declared, read
from deploy.docs.links import anchors, links
from deploy.docs.navigation import navigation, paths
from deploy.undeclared import REMOVABLE, undeclared

_NOT_OURS = {"node_modules", "dist", "build", "site"}
_NAMED = re.compile(r"\bdocs/(?:adr/\d{4}|[a-z-]+\.md)")


def _files(*suffixes: str) -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name[0] != "." and name not in _NOT_OURS]
        yield from (Path(folder, name) for name in names if name.endswith(suffixes))


TEMPLATE = ROOT / "bench" / "performance.md"
"""The template of docs/performance.md, where its links belong."""

MARKDOWN = sorted({*_files(".md")} - {TEMPLATE})


@cache
def _anchors_of(file: Path) -> set[str]:
    return anchors(file.read_text())


def problem(file: Path, target: str) -> str | None:
    """Return why a relative link in a file leads nowhere. None if it leads somewhere."""
    path, _, anchor = target.partition("#")
    linked = (file.parent / path).resolve() if path else file
    if not linked.exists():
        return None if _is_removed(linked) else "there is no such file"
    if anchor and linked.suffix == ".md" and anchor not in _anchors_of(linked):
        return f"{linked.name} has no such heading"
    return None


def _is_removed(path: Path) -> bool:
    """Return whether a file is part of a service that a fork has removed, or tests one."""
    removed = REMOVABLE.keys() - read(ROOT).services.keys()
    return path in undeclared() or bool(removed & set(path.relative_to(ROOT).parts))


@pytest.mark.parametrize("file", MARKDOWN, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(file: Path) -> None:
    problems = {target: problem(file, target) for target in links(file.read_text())}
    assert {target: why for target, why in problems.items() if why} == {}


def test_pages_that_code_names_exist() -> None:
    named = {
        (match, file)
        for file in _files(".py", ".yaml", ".yml", ".toml", ".in", ".sh", ".ts", ".tsx", ".mjs")
        for match in _NAMED.findall(file.read_text())
    }
    assert named
    assert [each for each in named if not [*ROOT.glob(f"{each[0]}*")]] == []


class TestSite:
    """`make docs` fails for a broken link as well, but only within the site."""

    def test_every_page_of_docs_is_in_the_navigation(self) -> None:
        pages = {str(file.relative_to(ROOT)) for file in ROOT.glob("docs/**/*.md")}
        assert pages <= set(paths(navigation(declared())))

    def test_pages_of_the_navigation_exist_and_are_there_once(self) -> None:
        found = [*paths(navigation(declared()))]
        assert [page for page in found if not (ROOT / page).is_file()] == []
        assert len(found) == len(set(found))


class TestTheCheckItself:
    def test_links_are_found_outside_code_only(self) -> None:
        text = (
            '[a](b.md "t") `[c](d)` ![i](i.png)\n```\n[e](f)\n```\n<img src="g.png"> [h](https://h)'
        )
        assert links(text) == ["b.md", "i.png", "g.png"]

    def test_anchors_are_those_of_github(self) -> None:
        text = "# A `b` & c\n## A [link](x)!\n```\n# no\n```\n## Twice\n## Twice"
        assert anchors(text) == {"a-b--c", "a-link", "twice", "twice-1"}

    @pytest.mark.parametrize("target", ["missing.md", "README.md#missing", "#missing"])
    def test_missing_file_or_heading_is_a_problem(self, target: str) -> None:
        assert problem(ROOT / "README.md", target)

    def test_there_are_links_and_anchors_to_check(self) -> None:
        found = [target for file in MARKDOWN for target in links(file.read_text())]
        assert any("#" in target for target in found)
        assert len(found) > len(MARKDOWN)
