"""`make check` runs every part and names all that failed."""

import sys
from collections.abc import Sequence

import pytest

from chassis.topology import ROOT
from deploy.check import PACKAGES, TESTS, Command, main, parts, run


def command(output: str, status: int = 0) -> Command:
    return [sys.executable, "-c", f"print({output!r}); raise SystemExit({status})"]


def outcome(commands: dict[str, Command]) -> tuple[Sequence[str], str]:
    """Return the names of the failed parts and what was written."""
    written: list[str] = []
    return run(commands, written.append), "".join(written)


class TestRun:
    def test_passing_parts_are_named_and_their_output_is_not_shown(self) -> None:
        failed, written = outcome({"types": command("12 files"), "lint": command("clean")})
        assert failed == []
        assert sorted(line.partition(":")[0] for line in written.splitlines()) == ["lint", "types"]
        assert all(line.endswith(" s, ok") for line in written.splitlines())

    def test_every_part_runs_and_all_that_failed_are_named_with_their_output(self) -> None:
        failed, written = outcome(
            {"types": command("one error", 1), "lint": command("clean"), "layers": command("no", 3)}
        )
        assert sorted(failed) == ["layers", "types"]
        assert "failed\none error\n" in written
        assert "lint: " in written

    @pytest.mark.parametrize("status", [0, 1])
    def test_output_of_the_tests_comes_last(self, status: int) -> None:
        failed, written = outcome({TESTS: command("3 passed", status), "lint": command("clean")})
        assert failed == [TESTS][:status]
        assert written.endswith("3 passed\n")
        assert written.startswith("lint: ")


class TestMain:
    def test_unknown_part_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["typos"]) == 2
        assert "Unknown: typos." in capsys.readouterr().err

    def test_every_tool_is_a_part(self) -> None:
        tools = {" ".join(part.command[2:4]) for part in parts().values()}
        assert {"deploy.generate --check", "ruff check"} <= tools
        assert {"types", "manifests", "format", "layers", "declaration", TESTS} < set(parts())

    def test_every_test_without_a_server_is_run_by_a_part(self) -> None:
        given = {argument for part in parts().values() for argument in part.command}
        packages = {f"packages/{folder.name}" for folder in PACKAGES.iterdir()}
        assert {"tests/unit", "tests/contract", *packages} <= given
        ignored = {a.removeprefix("--ignore=") for a in given if a.startswith("--ignore=")}
        assert ignored
        assert ignored <= given

    def test_files_that_parts_read_exist(self) -> None:
        paths = {path for part in parts().values() for path in part.reads}
        assert [path for path in paths if not (ROOT / path).exists()] == []
