"""Reads what stands in source files: names, docstrings and literals."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def module(path: Path) -> ast.Module:
    """Return the parsed file."""
    return ast.parse(path.read_text())


def files(folder: Path) -> Iterator[Path]:
    """Yield the Python files below a folder, in order."""
    yield from sorted(file for file in folder.rglob("*.py") if "node_modules" not in file.parts)


def sentence(text: str | None) -> str:
    """Return the first paragraph of a docstring in one line."""
    return " ".join((text or "").strip().partition("\n\n")[0].split())


def field_docs(path: Path, name: str) -> dict[str, str]:
    """Return the docstrings below the fields of a class, and the comments of none."""
    (found,) = (
        node
        for node in ast.walk(module(path))
        if isinstance(node, ast.ClassDef) and node.name == name
    )
    docs: dict[str, str] = {}
    field = None
    for statement in found.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            field = statement.target.id
            docs[field] = ""
        elif field and (text := _text(statement)):
            docs[field] = " ".join(text.split())
    return docs


def _text(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return str(statement.value.value)
    return ""
