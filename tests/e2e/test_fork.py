"""A fork removes services, or renames the product and adds services: checks and tests pass."""

import re
import shutil
from pathlib import Path

import pytest

from chassis.topology import FILE, ROOT, read
from deploy.undeclared import REMOVABLE
from tests.fork import Fork, fork

pytestmark = [pytest.mark.timeout(900), pytest.mark.needs(*REMOVABLE)]

SERVED = ("tests/e2e/test_smoke.py", "tests/e2e/test_sign_out.py", "tests/e2e/test_prober.py")
STATIC = ("tests/contract/test_supergraph.py", "tests/contract/test_deployment.py")


def demand_clean(forked: Fork) -> None:
    """Run what `make check` runs before its tests."""
    if (cache := ROOT / ".mypy_cache").exists():
        shutil.copytree(cache, forked.root / ".mypy_cache", dirs_exist_ok=True)
    left_out = forked.python("-m", "deploy.undeclared").split()
    forked.python("-m", "ruff", "format", "--check", ".")
    forked.python("-m", "ruff", "check", ".")
    forked.python("-m", "mypy", *left_out)
    forked.script("lint-imports", "--no-logo")
    forked.python("-m", "deploy.declaration")
    forked.python("-m", "deploy.generate", "--check")
    forked.python("-m", "deploy.reference", "--check")
    forked.python("-m", "deploy.schema_changes")


@pytest.fixture(scope="module")
def without_tweets_and_notifier(tmp_path_factory: pytest.TempPathFactory) -> Fork:
    forked = fork(tmp_path_factory.mktemp("removal"))
    for name, module in REMOVABLE.items():
        shutil.rmtree(forked.root / module.replace(".", "/"))
        for folder in forked.root.glob(f"tests/*/{name}"):
            shutil.rmtree(folder)
    declaration = forked.root / FILE
    stanzas = re.split(r"(?m)^(?=\[services\.)", declaration.read_text())
    removed = tuple(f"[services.{name}{end}" for name in REMOVABLE for end in ("]", "."))
    declaration.write_text("".join(s for s in stanzas if not s.startswith(removed)))
    forked.python("-m", "deploy.generate")
    forked.python("-m", "stack", "supergraph")
    forked.python("-m", "deploy.reference")
    forked.python("-m", "deploy.schema_changes", "--release")
    return forked


class TestRemoval:
    def test_make_check_tools_pass_after_a_removal(self, without_tweets_and_notifier: Fork) -> None:
        demand_clean(without_tweets_and_notifier)

    def test_generated_files_do_not_name_removed_services(
        self, without_tweets_and_notifier: Fork
    ) -> None:
        root = without_tweets_and_notifier.root
        for name in ("services.sh", "kubernetes/base/services/network-policies.yaml"):
            assert not re.search("tweets|notifier", (root / "deploy" / name).read_text())
        assert list(read(root).services) == ["auth", "explorer"]

    def test_remaining_services_are_served(self, without_tweets_and_notifier: Fork) -> None:
        """Sign-up, sign-in and sign-out work, the prober passes, and no other stack answers."""
        tests = (*SERVED, *STATIC)
        without_tweets_and_notifier.python("-m", "pytest", *tests, CHIRP_E2E_ROUTERS="stand-in")


SUBGRAPHS = {"cheers": "tweets", "pebbles": "auth", "lanterns": "auth"}
"""Names that no fork uses, and the service whose type each subgraph extends."""

STREAMING = {"cheers", "lanterns"}
"""Those with a subscription, beside that of tweets."""

ALWAYS = {FILE, "router/supergraph.graphql", "router/api.graphql"}
MARKS = (
    *(">>> generated from services.toml", "# Generated from services.toml"),
    "run: make reference -->",
)


@pytest.fixture(scope="module")
def renamed(tmp_path_factory: pytest.TempPathFactory) -> Fork:
    """Return a renamed fork; the rename is its second commit."""
    forked = fork(tmp_path_factory.mktemp("rename"))
    name = read(ROOT).project.name
    forked.python("-m", "deploy.rename", name[::-1], f"{name[::-1].capitalize()} Talk")
    forked.python("-m", "deploy.generate")
    forked.python("-m", "stack", "supergraph")
    forked.python("-m", "deploy.reference")
    forked.python("-m", "ruff", "format", "--quiet", ".")
    forked.commit("Rename")
    return forked


@pytest.fixture(scope="module")
def extended(renamed: Fork) -> Fork:
    """Return the renamed fork with generated subgraphs, which are not committed."""
    for name, owner in SUBGRAPHS.items():
        options = ["--subscription"] if name in STREAMING else []
        renamed.python("-m", "deploy.scaffold", name, "--extends", owner, *options)
    return renamed


class TestRename:
    def test_old_name_remains_only_as_licence_holder(self, renamed: Fork) -> None:
        old = re.compile(read(ROOT).project.name, re.IGNORECASE)
        named = {
            path for path in renamed.changes("HEAD~") if old.search(_text(renamed.root / path))
        }
        assert named == set()
        assert old.search((renamed.root / "LICENSE").read_text())


class TestGeneratedSubgraph:
    """In the renamed fork, whose checks and service are thereby tested as well."""

    def test_other_files_change_only_in_generated_blocks(self, extended: Fork) -> None:
        folders = (
            "subgraphs/{}/",
            "tests/unit/{}/",
            "tests/integration/{}/",
            "tests/e2e/test_{}.py",
        )
        own = tuple(folder.format(name) for folder in folders for name in SUBGRAPHS)
        others = {path for path in extended.changes() if not path.startswith(own)}
        assert others > ALWAYS
        for path in others - ALWAYS:
            assert any(mark in (extended.root / path).read_text() for mark in MARKS), path

    def test_make_check_tools_pass(self, extended: Fork) -> None:
        demand_clean(extended)

    def test_its_tests_and_the_contract_tests_pass(
        self, extended: Fork, postgres_server: str
    ) -> None:
        folders = [f"tests/{kind}/{name}" for kind in ("unit", "integration") for name in SUBGRAPHS]
        extended.python("-m", "pytest", *folders, *STATIC, TEST_DATABASE_URL=postgres_server)

    def test_it_is_served_through_the_edge(self, extended: Fork) -> None:
        """Use the mutation, the fields across subgraphs, the event and the subscription."""
        router = f"{read(extended.root).project.name.upper()}_E2E_ROUTERS"
        tests = ("tests/e2e/test_smoke.py", *(f"tests/e2e/test_{name}.py" for name in SUBGRAPHS))
        extended.python("-m", "pytest", *tests, **{router: "stand-in"})


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""
