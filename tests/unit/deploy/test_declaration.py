"""services.toml and the folders of the services agree; each difference is reported in one line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from chassis.topology import FILE, ROOT, TopologyError, read
from deploy.declaration import problems

pytestmark = pytest.mark.needs("tweets", "notifier")

FOLDERS = [service.folder for service in read(ROOT).services.values()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a copy of services.toml and of the folders that it is compared with."""
    shutil.copy(ROOT / FILE, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    for folder in FOLDERS:
        ignored = shutil.ignore_patterns("node_modules", "dist", "__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    return tmp_path


def without(root: Path, line: str) -> None:
    """Remove the first line that begins with `line` from the declaration."""
    text = (root / FILE).read_text()
    start = text.index(f"\n{line}") + 1
    (root / FILE).write_text(text[:start] + text[text.index("\n", start) + 1 :])


class TestProblems:
    def test_repository_has_no_problems(self) -> None:
        assert list(problems(ROOT)) == []

    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            ("database = true", "[services.auth] consumes or publishes events, which needs"),
            ("consumes_if_declared", "[services.auth] lacks consumes = […]"),
            ("grpc_port", "[services.tweets] calls auth, which is no service with a grpc_port"),
            ("subscriptions", "[services.tweets] lacks subscriptions = true"),
            ("calls", '[services.tweets] lacks calls = ["auth"]'),
            ("module", "[services.auth] lacks module"),
            ("kind", "[services.auth] lacks kind"),
            ("port", "[services.auth] lacks port"),
        ],
    )
    def test_missing_key_is_named(self, root: Path, line: str, problem: str) -> None:
        without(root, line)
        try:
            found = list(problems(root))
        except TopologyError as error:
            found = str(error).splitlines()
        assert [each for each in found if problem in each], found

    def test_outbox_without_publishes_is_named(self, root: Path) -> None:
        text = (root / FILE).read_text()
        stanza = text.index("[services.notifier]")
        text = text[:stanza] + text[stanza:].replace("publishes = true\n", "", 1)
        (root / FILE).write_text(text.replace('consumes_if_declared = ["notifier"]\n', ""))
        assert (
            f"{FILE}: [services.notifier] lacks publishes = true; "
            "notifier has an outbox in its migrations"
        ) in list(problems(root))

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            (
                lambda root: shutil.copytree(root / FOLDERS[0], root / "subgraphs" / "guests"),
                f"subgraphs/guests is not declared; add [services.guests] to {FILE}",
            ),
            (
                lambda root: shutil.rmtree(root / "notifier"),
                f"{FILE}: [services.notifier] has no code: there is no notifier/__main__.py; "
                "add it, or remove the stanza",
            ),
            (
                lambda root: (root / "requirements" / "subscriptions.txt").unlink(),
                f"{FILE}: [services.tweets] requirements: there is no "
                "requirements/subscriptions.txt; "
                "write the .in file and run: make lock",
            ),
            (
                lambda root: shutil.rmtree(root / "notifier" / "migrations"),
                f"{FILE}: [services.notifier] says database = true, but nothing in notifier "
                "has migrations",
            ),
        ],
    )
    def test_undeclared_code_and_missing_code_are_named(
        self, root: Path, change: Callable[[Path], object], problem: str
    ) -> None:
        change(root)
        assert problem in list(problems(root))
