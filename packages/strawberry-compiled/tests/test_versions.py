"""Versions of Strawberry and graphql-core that this package does not know."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from strawberry_compiled.versions import TESTED, require_supported, untested

PROGRAM = """
import logging, sys
logging.basicConfig(format="%(message)s", stream=sys.stdout)
import strawberry
from strawberry_compiled import CompilingExecutionContext, explain
from strawberry_compiled.plans import schema_plans

@strawberry.type
class Query:
    @strawberry.field
    def it(self) -> int:
        return 1

class Forced(CompilingExecutionContext):
    force = True

for cls in (CompilingExecutionContext, Forced):
    schemas = [strawberry.Schema(Query, execution_context_class=cls) for _ in range(2)]
    data = [schema.execute_sync("{ it }").data for schema in schemas for _ in range(2)]
    assert data == 4 * [{"it": 1}]
    print(cls.__name__, len(schema_plans(schemas[0]._schema)), explain(schemas[0], "{ it }").reason)
"""


def installed(strawberry: str = "0.341.2", graphql_core: str = "3.3.2") -> dict[str, str]:
    return {"strawberry-graphql": strawberry, "graphql-core": graphql_core}


def run_with(tmp_path: Path, strawberry: str) -> subprocess.CompletedProcess[str]:
    """Run the program above where this version of Strawberry is said to be installed."""
    metadata = tmp_path / f"strawberry_graphql-{strawberry}.dist-info"
    metadata.mkdir()
    text = f"Metadata-Version: 2.1\nName: strawberry-graphql\nVersion: {strawberry}\n"
    (metadata / "METADATA").write_text(text)
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )


class TestUnsupportedVersions:
    @pytest.mark.parametrize(
        "versions", [installed("0.324.5"), installed(graphql_core="3.2.14"), installed("0.9")]
    )
    def test_importing_fails(self, versions: dict[str, str]) -> None:
        with pytest.raises(ImportError, match=r"needs .* or newer; .* is installed"):
            require_supported(versions.__getitem__)

    def test_the_error_names_both_versions(self, tmp_path: Path) -> None:
        result = run_with(tmp_path, "0.324.5")
        assert result.returncode != 0
        oldest = ".".join(map(str, TESTED["strawberry-graphql"][0]))
        assert (
            f"ImportError: strawberry-compiled needs strawberry-graphql {oldest} or newer; "
            "0.324.5 is installed." in result.stderr
        )


class TestUntestedVersions:
    def test_tested_versions_are_not_reported(self) -> None:
        for index in (0, 1):
            versions = {
                package: ".".join(map(str, bounds[index])) + ".7"
                for package, bounds in TESTED.items()
            }
            require_supported(versions.__getitem__)
            assert untested(versions.__getitem__) == ""

    @pytest.mark.parametrize(
        ("versions", "found"),
        [
            (installed("0.999.0"), "strawberry-graphql 0.999.0"),
            (installed("1.0.0"), "strawberry-graphql 1.0.0"),
            (installed(graphql_core="3.4.0a1"), "graphql-core 3.4.0a1"),
            (installed("1.0", "4.0"), "strawberry-graphql 1.0 and graphql-core 4.0"),
        ],
    )
    def test_newer_versions_are_named(self, versions: dict[str, str], found: str) -> None:
        assert untested(versions.__getitem__) == found

    def test_operations_run_on_the_stock_executor_unless_forced(self, tmp_path: Path) -> None:
        result = run_with(tmp_path, "0.999.0")
        assert result.returncode == 0, result.stderr
        report, stock, forced = result.stdout.splitlines()
        assert report.startswith("strawberry-graphql 0.999.0 was not tested with strawberry-comp")
        assert stock == "CompilingExecutionContext 0 strawberry-graphql 0.999.0 was not tested"
        assert forced.strip() == "Forced 1"
