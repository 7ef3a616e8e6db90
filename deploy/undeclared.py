"""Finds the Python files that import a service which a fork has removed.

Tests and type checker skip these files. `python -m deploy.undeclared` prints them as mypy options.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from chassis.topology import ROOT, read

REMOVABLE = {"tweets": "subgraphs.tweets", "notifier": "notifier"}
"""The modules of the services that a fork may remove. Everything needs auth."""

_FOLDERS = ("bench", "client", "deploy", "docs", "router", "stack", "tests")


@cache
def undeclared(root: Path = ROOT) -> frozenset[Path]:
    """Return the files that import a removed service, directly or through one another."""
    declared = read(root).services
    missing = {module for name, module in REMOVABLE.items() if name not in declared}
    found: set[Path] = set()
    if not missing:
        return frozenset()
    imports = {file: set(_imports(file)) for file in _files(root)}
    while True:
        more = {
            file
            for file, modules in imports.items()
            if any(
                module == each or module.startswith(f"{each}.")
                for module in modules
                for each in missing
            )
        } - found
        if not more:
            return frozenset(found)
        found |= more
        missing |= {".".join(file.relative_to(root).with_suffix("").parts) for file in more}


def _files(root: Path) -> Iterator[Path]:
    for folder in _FOLDERS:
        yield from (f for f in (root / folder).rglob("*.py") if "node_modules" not in f.parts)


def _imports(file: Path) -> Iterator[str]:
    """Yield the modules that a file imports; of `from a import b` both `a` and `a.b`."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def main() -> None:
    for file in sorted(undeclared()):
        sys.stdout.write(f"--exclude ^{file.relative_to(ROOT)}$ ")


if __name__ == "__main__":
    main()
