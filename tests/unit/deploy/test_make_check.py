"""`make check` runs every part and names all that failed."""

import sys
from collections.abc import Sequence

import pytest

from deploy.check import TESTS, Command, main, parts, run


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
        tools = {" ".join(given[-2:]) for given in parts().values()}
        assert {"deploy.generate --check", "ruff check"} <= {
            *tools,
            *(" ".join(given[2:4]) for given in parts().values()),
        }
        assert {"types", "manifests", "format", "layers", "declaration", TESTS} < set(parts())
