"""A module that runs in a fork of the preloader is like one that `python -m` runs."""

import io
import sys
import threading
from pathlib import Path

import pytest

from stack.console import Console
from stack.preload import Preloader, imported_packages
from stack.process import Process, StackError
from tests.stack import eventually

pytestmark = pytest.mark.skipif(not Preloader.is_available(), reason="the preloader needs Linux")

NEVER = threading.Event()


@pytest.fixture(scope="module")
def preloader() -> Preloader:
    made = Preloader()
    made.start()
    return made


def process(preloader: Preloader, *arguments: str, **environment: str) -> Process:
    return Process(
        "forked",
        [sys.executable, "-m", *arguments],
        console=Console(io.StringIO()),
        environment=environment,
        preloader=preloader,
    )


class TestFork:
    def test_schema_is_the_one_that_the_program_prints(self, preloader: Preloader) -> None:
        forked = process(preloader, "subgraphs.auth", "schema")
        forked.start()
        forked.wait_until_done(NEVER)
        forked.kill()  # returns when its last line has been read
        exported = Path("subgraphs/auth/schema.graphql").read_text().splitlines()
        assert list(forked.last_lines) == exported[-len(forked.last_lines) :]

    def test_failure_is_reported_with_its_status_and_lines(self, preloader: Preloader) -> None:
        forked = process(preloader, "subgraphs.auth", "serve")
        forked.start()
        with pytest.raises(StackError, match="forked ended with status 2") as raised:
            forked.wait_until_done(NEVER)
        assert "AUTH_PORT is missing" in str(raised.value)

    def test_environment_is_the_given_one_alone(self, preloader: Preloader) -> None:
        forked = process(preloader, "subgraphs.auth", "serve", AUTH_PORT="wrong")
        forked.start()
        with pytest.raises(StackError, match="AUTH_PORT"):
            forked.wait_until_done(NEVER)
        assert "AUTH_PORT is missing" not in "".join(forked.last_lines)

    def test_fork_that_is_killed_has_ended(self, preloader: Preloader) -> None:
        forked = process(preloader, "http.server", "--bind", "127.0.0.1", "0")
        forked.start()
        assert forked.running
        forked.kill()
        assert not forked.running
        assert forked.exit_code == -9

    def test_fork_that_is_stopped_has_ended(self, preloader: Preloader) -> None:
        forked = process(preloader, "http.server", "--bind", "127.0.0.1", "0")
        forked.start()
        forked.stop()
        assert forked.exit_code == -15

    def test_line_is_read_while_the_fork_runs(self, preloader: Preloader) -> None:
        forked = process(preloader, "http.server", "--bind", "127.0.0.1", "0")
        forked.start()
        eventually(lambda: "Serving HTTP" in "".join(forked.last_lines), "the line is read")
        assert forked.running
        forked.kill()


class TestImportedPackages:
    def test_modules_of_others_are_found(self, tmp_path: Path) -> None:
        (tmp_path / "module.py").write_text(
            "import orjson\nfrom starlette.responses import Response\n"
            "import unknown_package\nfrom chassis.errors import error_response\n"
            "from google.protobuf import descriptor as _d, message\n\n"
            "def lazily() -> None:\n    import alembic\n"
        )
        found = imported_packages([tmp_path])
        assert {"orjson", "starlette.responses"} <= set(found)
        assert found["google.protobuf"] == {"descriptor", "message"}
        assert not {"alembic", "unknown_package", "chassis.errors"} & set(found)

    def test_migrations_are_left_out(self, tmp_path: Path) -> None:
        (tmp_path / "migrations").mkdir()
        (tmp_path / "migrations" / "0001.py").write_text("import alembic\n")
        assert "alembic" not in imported_packages([tmp_path])
