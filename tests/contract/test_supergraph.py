"""The committed schemas are what the code says, and the supergraph is what they compose to."""

import io
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from deploy.laptop.commands import Commands
from deploy.laptop.console import Console
from deploy.laptop.node import ROUTER_PACKAGES, install_packages
from deploy.laptop.process import ROOT
from deploy.laptop.services import SERVICES
from deploy.laptop.supergraph import (
    CONFIGURATION,
    SUPERGRAPH,
    exported_schemas,
    is_composed,
    schema_files,
)


@pytest.fixture(scope="module")
def node() -> Path:
    return install_packages(Commands(Console(io.StringIO()), threading.Event()), ROUTER_PACKAGES)


def compose(node: Path, root: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [str(node), str(root / "router" / "compose.mjs"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files that composition reads, to be changed."""
    for file in (CONFIGURATION, SUPERGRAPH, *schema_files().values()):
        target = tmp_path / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    for name in ("compose.mjs", "package.json", "package-lock.json"):
        shutil.copy(ROOT / "router" / name, tmp_path / "router" / name)
    (tmp_path / "router" / "node_modules").symlink_to(ROOT / "router" / "node_modules")
    return tmp_path


class TestSchemas:
    def test_they_are_exported(self) -> None:
        exported = exported_schemas()
        for name, file in schema_files().items():
            assert file.read_text() == exported[name], f"{name} has drifted. Run: make supergraph"


class TestSupergraph:
    def test_it_is_composed_and_both_composers_agree(self, node: Path) -> None:
        checked = compose(node, ROOT, "--check")
        assert checked.returncode == 0, checked.stderr
        assert "both composers agree" in checked.stdout
        assert is_composed()

    def test_a_changed_schema_is_drift(self, node: Path, copy: Path) -> None:
        schema = copy / "subgraphs" / "auth" / "schema.graphql"
        schema.write_text(schema.read_text().replace("type Query {", "type Query {\n  new: Int\n"))
        checked = compose(node, copy, "--check")
        assert checked.returncode == 1
        assert "Run: make supergraph" in checked.stderr

    def test_what_does_not_compose_is_refused_with_the_reason(self, node: Path, copy: Path) -> None:
        schema = copy / "subgraphs" / "auth" / "schema.graphql"
        schema.write_text(
            schema.read_text().replace("username: String! @shareable", "username: ID!")
        )
        checked = compose(node, copy)
        assert checked.returncode == 1
        assert "User.username" in checked.stderr

    def test_disagreement_of_the_composers_is_seen(self, node: Path, copy: Path) -> None:
        """Of two schemas that differ in one key and one field, each shows."""
        script = copy / "router" / "compose.mjs"
        text = script.read_text()
        assert "services.map(lowered)" in text
        script.write_text(
            text.replace("services.map(lowered)", "services.map(lowered).map(other)")
            + (
                "function other(service) {\n"
                '  const sdl = print(service.typeDefs).replace("me: User", "me: User!")'
                '.replace(/(type Tweet @key\\(fields: "id")\\)/, "$1, resolvable: false)");\n'
                "  return { ...service, typeDefs: parse(sdl) };\n}\n"
            )
        )
        checked = compose(node, copy, "--check")
        assert checked.returncode == 1
        assert "do not agree on the API schema" in checked.stderr


class TestRouter:
    """What names the subgraphs elsewhere names the same ones."""

    def test_it_is_told_where_each_subgraph_is(self) -> None:
        configuration = yaml.safe_load((ROOT / "router" / "router.yaml").read_text())
        assert set(configuration["override_subgraph_url"]) == set(schema_files()) == set(SERVICES)

    def test_it_and_its_stand_in_hold_the_same_limits(self) -> None:
        script = (ROOT / "router" / "limits.rhai").read_text()
        stand_in = (ROOT / "router" / "gateway.mjs").read_text()
        [allowed] = re.findall(r"let allowed = (\d+);", script)
        assert f"const MAX_FETCHES = {allowed};" in stand_in
        limits = yaml.safe_load((ROOT / "router" / "router.yaml").read_text())["limits"]["router"]
        for name, value in {
            "MAX_BODY_BYTES": limits["http_max_request_bytes"],
            "MAX_TOKENS": limits["parser_max_tokens"],
            "MAX_SELECTIONS": limits["max_recursive_selections"],
            "MAX_RECURSION": limits["parser_max_recursion"],
        }.items():
            [found] = re.findall(rf"const {name} = ([\d_]+);", stand_in)
            assert int(found) == value, name

    def test_its_image_holds_its_script(self) -> None:
        rhai = yaml.safe_load((ROOT / "router" / "router.yaml").read_text())["rhai"]
        folder = rhai["scripts"].partition(":-")[2].rstrip("}")
        [copied] = re.findall(rf"^COPY (.*) {folder}/$", (ROOT / "Dockerfile").read_text(), re.M)
        assert f"router/{rhai['main']}" in copied.split()
        ignored = (ROOT / ".dockerignore").read_text().splitlines()
        assert {f"!{file}" for file in copied.split()} <= set(ignored)

    def test_the_free_router_is_enough(self) -> None:
        """These keys need a licence by their mere presence."""
        configuration = yaml.safe_load((ROOT / "router" / "router.yaml").read_text())
        licensed = {
            *("authentication", "authorization", "batching", "persisted_queries", "coprocessor"),
            *("demand_control", "subscription", "response_cache", "preview_entity_cache"),
        }
        assert not licensed & set(configuration)
        limits = configuration["limits"]["router"]
        assert not {"max_depth", "max_height", "max_root_fields", "max_aliases"} & set(limits)
