"""The operations in Markdown pages, the explorer, clients' examples and tools fit the API schema.

Those of the Python client and the prober: `tests/unit/deploy/test_schema_changes.py`.
"""

import re
from collections.abc import Iterator

import pytest
from graphql import FieldsOnCorrectTypeRule, parse, specified_rules, validate

from deploy.reference.schema import api
from stack.process import ROOT
from tests.guides import edits, our_files

pytestmark = pytest.mark.needs("tweets", "notifier")

OTHER_SCHEMAS = ("packages/", "docs/upstream.md", "docs/reference/")
"""Examples with schemas of their own, and pages that are generated."""

PAGES = [
    page
    for page in our_files()
    if page.endswith(".md") and not page.startswith(OTHER_SCHEMAS) and not any(edits(page))
]
"""Without the guides that change a subgraph: `test_guides.py` and `tests/e2e` run those."""

FILES = [
    *(ROOT / page for page in PAGES),
    ROOT / "deploy/smoke.sh",
    *sorted((ROOT / "explorer/src").glob("*.ts*")),
    *sorted((ROOT / "tests/e2e/clients").glob("*.mjs")),
    *sorted((ROOT / "tests/e2e/clients/examples").glob("*.[msp][jhy]*")),
]
_START = re.compile(
    r"\b(?:query|mutation|subscription)(?:\s+\w+)?\s*(?:\(\s*\$[^)]*\)\s*)?(?=\{)"
    r"""|(?<=["'`])(?=\{\s*[a-z]\w*\s*[({])|(?<=```graphql\n)(?=\{)"""
)
"""An operation, up to its brace; one without a keyword begins a string."""
_INSERTED = re.compile(r"\$\{(\w+)\}")
_CONSTANT = re.compile(r"const (\w+) = [`\"](.*?)[`\"];", re.DOTALL)


def operations(text: str) -> Iterator[str]:
    """Yield the GraphQL operations in a source file or a page.

    A constant of the file that an operation inserts is replaced by its text, another variable by
    nothing. Left out is one that is computed.
    """
    constants = dict(_CONSTANT.findall(text))
    text = text.replace('\\"', '"').replace("\\n", "\n")
    for start in _START.finditer(text):
        operation = text[start.start() : _end(text, start.end())]
        operation = _INSERTED.sub(lambda found: constants.get(found[1], ""), operation)
        if "${" not in operation:
            yield operation


def _end(text: str, start: int) -> int:
    """Return the position after the brace that closes the one at `start`."""
    depth = 0
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position + 1
    raise AssertionError(f"the brace is not closed: {text[start : start + 100]}")


def problems(operation: str) -> list[str]:
    """Return why an operation does not fit the API schema.

    Of an abridged one, with ellipses, only the fields that it names are checked.
    """
    rules = [FieldsOnCorrectTypeRule] if "…" in operation else specified_rules
    whole = operation.replace("(…)", "").replace("{…}", "{ __typename }").replace("…", "")
    return [error.message for error in validate(api(), parse(whole), rules)]


FOUND = [
    pytest.param(operation, id=f"{file.relative_to(ROOT)} {number}")
    for file in FILES
    for number, operation in enumerate(operations(file.read_text()))
]


class TestOperations:
    @pytest.mark.parametrize("operation", FOUND)
    def test_operation_fits_the_api_schema(self, operation: str) -> None:
        assert problems(operation) == []

    @pytest.mark.parametrize(
        ("file", "least"),
        [
            ("README.md", 7),
            ("docs/architecture.md", 2),
            ("docs/guides/tracing.md", 1),
            ("explorer/src/story.ts", 10),
            ("explorer/src/account.ts", 4),
            ("tests/e2e/clients/matrix.mjs", 1),
            ("tests/e2e/clients/examples/curl.sh", 3),
            ("deploy/smoke.sh", 2),
        ],
    )
    def test_operations_are_found(self, file: str, least: int) -> None:
        assert len([*operations((ROOT / file).read_text())]) >= least

    @pytest.mark.parametrize("page", PAGES)
    def test_every_graphql_block_of_a_page_holds_an_operation(self, page: str) -> None:
        blocks = re.findall(r"^```graphql\n.*?^```", (ROOT / page).read_text(), re.M | re.S)
        assert all(any(operations(block)) for block in blocks)


class TestProblems:
    @pytest.mark.parametrize(
        "operation",
        ["{ me { id } }", "mutation { signOut {…} createTweet(…) {…} }", "mutation { signOut … }"],
    )
    def test_operation_of_the_api_has_none(self, operation: str) -> None:
        assert problems(operation) == []

    @pytest.mark.parametrize(
        "operation",
        [
            "{ me { age } }",
            "{ me }",
            "{ tweet { id } }",
            "{ me {…} other {…} }",
            "{ me { age … } }",
        ],
    )
    def test_operation_that_does_not_fit_the_api_has_some(self, operation: str) -> None:
        assert problems(operation)


class TestSearch:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('-d \'{"query": "{ me { id } }"}\'', "{ me { id } }"),
            ('"query": "query Me($a: ID!) { tweet(id: $a) { id } }"', None),
            ("const PART = `id`;\nconst ME = `query { me { ${PART} } }`;", "query { me { id } }"),
            ("const ME = `{ me { id ${more} } }`;", "{ me { id  } }"),
            ("`{ me { id } }`; const ALL = `mutation { ${fields.join()} }`;", "{ me { id } }"),
            (r'"{ user(username: \"ada\") { id } }"', '{ user(username: "ada") { id } }'),
        ],
    )
    def test_operation_is_found_whole(self, text: str, expected: str | None) -> None:
        [found] = operations(text)
        assert found == (expected or "query Me($a: ID!) { tweet(id: $a) { id } }")

    def test_other_braces_are_no_operation(self) -> None:
        assert [*operations('if (kind === "mutation") { run({ query: text }); }')] == []
