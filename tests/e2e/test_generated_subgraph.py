"""`make subgraph` writes subgraphs that pass the checks, have tests and are served at once."""

import shutil

import pytest

from chassis.topology import FILE, ROOT, declared
from tests.fork import Fork, fork

SUBGRAPHS = {
    name: owner
    for name, owner in {"cheers": "tweets", "pebbles": "auth"}.items()
    if owner in declared().services
}
"""Names that no fork uses, and the service whose type each subgraph extends."""

ALWAYS = {FILE, "router/supergraph.graphql"}
MARKS = (">>> generated from services.toml", "# Generated from services.toml")


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Fork:
    made = fork(tmp_path_factory.mktemp("fork"))
    for name, owner in SUBGRAPHS.items():
        made.python("-m", "deploy.scaffold", name, "--extends", owner)
    return made


@pytest.mark.timeout(900)
class TestGeneratedSubgraph:
    def test_other_files_change_only_in_generated_blocks(self, forked: Fork) -> None:
        folders = (
            "subgraphs/{}/",
            "tests/unit/{}/",
            "tests/integration/{}/",
            "tests/e2e/test_{}.py",
        )
        own = tuple(folder.format(name) for folder in folders for name in SUBGRAPHS)
        others = {path for path in forked.changes() if not path.startswith(own)}
        assert others > ALWAYS
        for path in others - ALWAYS:
            assert any(mark in (forked.root / path).read_text() for mark in MARKS), path

    def test_make_check_tools_pass(self, forked: Fork) -> None:
        forked.python("-m", "ruff", "format", "--check", ".")
        forked.python("-m", "ruff", "check", ".")
        if (cache := ROOT / ".mypy_cache").exists():
            shutil.copytree(cache, forked.root / ".mypy_cache", dirs_exist_ok=True)
        forked.python("-m", "mypy")
        forked.script("lint-imports", "--no-logo")
        forked.python("-m", "deploy.generate", "--check")

    def test_its_tests_and_the_contract_tests_pass(
        self, forked: Fork, postgres_server: str
    ) -> None:
        folders = [f"tests/{kind}/{name}" for kind in ("unit", "integration") for name in SUBGRAPHS]
        contract = "tests/contract/test_supergraph.py"
        forked.python("-m", "pytest", *folders, contract, TEST_DATABASE_URL=postgres_server)

    def test_it_is_served_through_the_edge(self, forked: Fork) -> None:
        """Use the mutation, the fields across subgraphs and the event of the new service."""
        tests = [f"tests/e2e/test_{name}.py" for name in SUBGRAPHS]
        forked.python("-m", "pytest", *tests, CHIRP_E2E_ROUTERS="")
