"""Which part of the stack a changed file concerns."""

from pathlib import Path

import pytest

from chassis.topology import ROOT, declared
from stack.watch import PAGE, STACK, Watch, concerned
from tests.stack import eventually

SETTINGS = ROOT / ".env"
ALL = set(declared().services)


class TestConcerned:
    @pytest.mark.parametrize(
        ("path", "parts"),
        [
            ("subgraphs/auth/service.py", {"auth"}),
            ("subgraphs/auth/migrations/0001_auth.py", {"auth"}),
            ("chassis/errors.py", ALL),
            ("explorer/app.py", {"explorer"}),
            ("explorer/src/page.tsx", {PAGE}),
            ("explorer/index.html", {PAGE}),
            ("services.toml", {STACK}),
            (".env", {STACK}),
            ("stack/supervisor.py", {STACK}),
            ("router/edge.yaml", {STACK}),
        ],
    )
    def test_file_concerns(self, path: str, parts: set[str]) -> None:
        assert concerned([ROOT / path], SETTINGS) == parts

    @pytest.mark.parametrize(
        "path",
        [
            "subgraphs/auth/schema.graphql",
            "subgraphs/auth/README.md",
            "router/supergraph.graphql",
            "router/supergraph.graphql.unfinished",
            "router/router.yaml",  # the router reloads it
            "tests/fork.py",
            "README.md",
        ],
    )
    def test_file_concerns_nothing_that_runs(self, path: str) -> None:
        assert concerned([ROOT / path], SETTINGS) == set()

    def test_several_files_concern_what_each_of_them_does(self) -> None:
        changes = [ROOT / "subgraphs/auth/service.py", ROOT / "explorer/app.py"]
        assert concerned(changes, SETTINGS) == {"auth", "explorer"}


class TestWatch:
    def test_saved_file_is_reported(self, tmp_path: Path) -> None:
        settings = tmp_path / "settings.env"
        settings.touch()
        watch = Watch(settings)
        watch.start()
        changes: set[Path] = set()

        def is_reported() -> bool:
            settings.write_text(f"{settings.read_text()}#\n")
            changes.update(watch.next(0.2))
            return settings in changes

        try:
            eventually(is_reported, "the change is reported")
        finally:
            watch.stop()
