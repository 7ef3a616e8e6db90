"""docs/clients.md shows parts of the files that the end-to-end tests run, and leaves none out."""

import re
from textwrap import dedent

import pytest

from stack.process import ROOT

EXAMPLES = ROOT / "tests" / "e2e" / "clients" / "examples"
FILES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_file())
PAGE = (ROOT / "docs" / "clients.md").read_text()
BLOCKS = re.findall(r"clients/examples/([\w.-]+)\)[^\n]*\n\n```\w+\n(.*?)\n```", PAGE, re.DOTALL)


def without_indentation(text: str) -> str:
    return re.sub(r"^[ \t]+", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize(("name", "block"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_block_is_part_of_the_file_that_a_test_runs(name: str, block: str) -> None:
    text = without_indentation((EXAMPLES / name).read_text())
    for part in dedent(block).split("\n\n"):
        assert without_indentation(part) in text


def test_every_block_names_its_file() -> None:
    assert PAGE.count("\n```") == 2 * len(BLOCKS)


@pytest.mark.parametrize("name", FILES)
def test_every_example_is_shown(name: str) -> None:
    assert name in dict(BLOCKS)
