"""Compares docs/asvs.md with OWASP ASVS 5.0 and with the tests: `python -m deploy.asvs`.

A test shows a row by its marker, `@pytest.mark.asvs("6.2.1")`. The markers are read from the
source: nothing is imported and no test runs.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from chassis.topology import ROOT

FILE = "docs/asvs.md"
TESTS = ("tests", "packages")

_LEVELS = {
    "6.1": "122",
    "6.2": "111111112222",
    "6.3": "11223333",
    "6.4": "112233",
    "6.5": "22222333",
    "6.6": "2223",
    "6.7": "33",
    "6.8": "2222",
    "7.1": "222",
    "7.2": "1111",
    "7.3": "22",
    "7.4": "11222",
    "7.5": "223",
    "7.6": "22",
    "9.1": "111",
    "9.2": "1222",
}
"""The level of each row of a section, in order (OWASP ASVS 5.0, chapters V6, V7 and V9)."""

LEVELS: Mapping[str, int] = {
    f"{section}.{number}": int(level)
    for section, levels in _LEVELS.items()
    for number, level in enumerate(levels, start=1)
}
"""The level of each row."""

_ROW = re.compile(r"\| (\d+\.\d+\.\d+) \|([^|]*)\|([^|]+)\|([^|]*)\|([^|]*)\|")


class Status(StrEnum):
    MET = "met"
    NOT_MET = "not met"
    DOES_NOT_APPLY = "does not apply"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of docs/asvs.md."""

    id: str
    level: str
    status: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A marker of a test: the row, and the path and name of the test."""

    row: str
    test: str


def rows(text: str) -> Sequence[Row]:
    """Return the rows of the tables in docs/asvs.md."""
    found = (_ROW.fullmatch(line) for line in text.splitlines())
    return [Row(m[1], m[2].strip(), m[4].strip(), m[5].strip()) for m in found if m]


def marks(root: Path) -> Sequence[Mark]:
    """Return the markers of all tests below `root`, by path. Raises ValueError for one in vain."""
    files = sorted(file for folder in TESTS for file in (root / folder).rglob("*.py"))
    return [
        mark
        for file in files
        if "node_modules" not in file.parts and "mark.asvs" in (text := file.read_text())
        for mark in marks_in(text, str(file.relative_to(root)))
    ]


def marks_in(source: str, path: str) -> Sequence[Mark]:
    """Return the markers in a file of tests.

    Raises ValueError for a marker that marks no test, or whose rows are no plain strings.
    """
    tree = ast.parse(source)
    found = list(_marked(tree, path))
    for call in set(_markers(tree)).difference(call for _, call in found):
        raise ValueError(f"{path}, line {call.lineno}: the marker asvs marks no test")
    return [Mark(row, test) for test, call in found for row in _row_ids(call, path)]


def problems(rows: Sequence[Row], marks: Sequence[Mark]) -> Iterator[str]:
    """Yield one line for each contradiction between the document, ASVS and the tests."""
    ids = [row.id for row in rows]
    for id_ in LEVELS:
        if ids.count(id_) != 1:
            yield f"{FILE}: {id_} has {ids.count(id_) or 'no'} lines; it needs one"
    tested = {mark.row for mark in marks}
    for row in rows:
        for problem in _problems_of(row, is_tested=row.id in tested):
            yield f"{FILE}: {row.id} {problem}"
    for mark in marks:
        if mark.row not in LEVELS:
            yield f"{mark.test}: its marker names {mark.row}, which is no row of V6, V7 or V9"


def _problems_of(row: Row, *, is_tested: bool) -> Iterator[str]:
    if row.id not in LEVELS:
        yield "is no row of V6, V7 or V9"
    elif row.level != str(LEVELS[row.id]):
        yield f"says level {row.level}; it is level {LEVELS[row.id]}"
    if row.status not in set(Status):
        yield f"is {row.status!r}; it must be one of {', '.join(Status)}"
    elif row.status == Status.MET and not is_tested:
        yield f"is met, but no test has the marker asvs({row.id!r})"
    elif row.status == Status.NOT_MET and row.level == "1":
        yield "is not met, and all of level 1 must be"
    if not row.explanation:
        yield "does not say what we do, or why not"


def table(rows: Sequence[Row], marks: Sequence[Mark]) -> str:
    """Return a line for each row, with its level, its status and the tests that show it."""
    lines = []
    for row in rows:
        tests = [mark.test for mark in marks if mark.row == row.id] or [""]
        lines.append(f"{row.id:8}L{row.level}  {row.status:16}{tests[0]}")
        lines += [f"{'':28}{test}" for test in tests[1:]]
    for level in sorted({row.level for row in rows}):
        statuses = [row.status for row in rows if row.level == level]
        counts = (f"{statuses.count(status)} {status}" for status in Status)
        lines.append(f"Level {level}: {', '.join(counts)}.")
    return "\n".join(lines)


def _marked(node: ast.AST, name: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield the name of each marked test, class or file, and the marker."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{name}::{child.name}"
            is_class = isinstance(child, ast.ClassDef)
            if is_class or child.name.startswith("test_"):
                for decorator in child.decorator_list:
                    yield from ((inner, call) for call in _markers(decorator))
            if is_class:
                yield from _marked(child, inner)
        elif isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) == "pytestmark":
            yield from ((name, call) for call in _markers(child))


def _markers(node: ast.AST) -> Iterator[ast.Call]:
    for child in ast.walk(node):
        if isinstance(child, ast.Call) and ast.unparse(child.func).endswith("mark.asvs"):
            yield child


def _row_ids(call: ast.Call, path: str) -> Sequence[str]:
    rows = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if not rows or len(rows) < len(call.args):
        raise ValueError(f"{path}, line {call.lineno}: the marker asvs must name rows, in quotes")
    return rows


def main() -> int:
    """Print the table. Return the exit status: 1 for a contradiction."""
    stated = rows((ROOT / FILE).read_text())
    try:
        shown = marks(ROOT)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(table(stated, shown))
    found = list(problems(stated, shown))
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
