"""The committed schemas match the code, and the supergraph is composed of them."""

import importlib
import io
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
import yaml
from graphql import (
    TypeDefinitionNode,
    parse,
)

from chassis.topology import declared
from stack.commands import Commands
from stack.console import Console
from stack.node import ROUTER_PACKAGES, install_packages
from stack.process import ROOT
from stack.services import subgraph_names
from stack.supergraph import (
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


LINK = """
extend schema
  @link(
    url: "https://specs.apollo.dev/federation/v2.11"
    import: ["@key", "@override", "@shareable"]
  )
"""


def add_guests(root: Path, sdl: str) -> None:
    """Adds a subgraph."""
    configuration = yaml.safe_load((root / CONFIGURATION.name).read_text())
    file = "subgraphs/guests/schema.graphql"
    configuration["subgraphs"]["guests"] = {
        "routing_url": "http://127.0.0.1:4109/graphql",
        "schema": {"file": file},
    }
    (root / CONFIGURATION.name).write_text(yaml.safe_dump(configuration))
    (root / file).parent.mkdir()
    (root / file).write_text(LINK + sdl)


def undescribed(where: str, node: object) -> list[str]:
    """Return what lacks a description: the definition, its fields, arguments and enum values."""
    found = [] if getattr(node, "description", None) else [where]
    for kind in ("fields", "arguments", "values"):
        for part in getattr(node, kind, None) or ():
            found += undescribed(f"{where}.{part.name.value}", part)
    return found


class TestSchemas:
    def test_committed_schemas_are_up_to_date(self) -> None:
        exported = exported_schemas()
        for name, file in schema_files().items():
            assert file.read_text() == exported[name], f"{name} has drifted. Run: make supergraph"

    @pytest.mark.parametrize("name", schema_files())
    def test_every_part_has_a_description(self, name: str) -> None:
        found: list[str] = []
        for definition in parse(schema_files()[name].read_text()).definitions:
            if isinstance(definition, TypeDefinitionNode):
                found += undescribed(definition.name.value, definition)
        known = {"Query", "Mutation", "Subscription"}
        of_federation = ("_", "Query._")
        assert [p for p in found if p not in known and not p.startswith(of_federation)] == []

    def test_every_subgraph_holds_its_scopes_against_its_own_declaration(self) -> None:
        for service in declared().subgraphs:
            schema = importlib.import_module(f"{service.module}.schema").build_schema()
            assert schema.service == service.name, f"{service.folder}/schema.py"


class TestSupergraph:
    def test_committed_supergraph_is_up_to_date_and_both_composers_agree(self, node: Path) -> None:
        checked = compose(node, ROOT, "--check")
        assert checked.returncode == 0, checked.stderr
        assert "both composers agree" in checked.stdout
        assert is_composed()

    def test_changed_schema_is_reported_as_drift(self, node: Path, copy: Path) -> None:
        schema = copy / "subgraphs" / "auth" / "schema.graphql"
        schema.write_text(schema.read_text().replace("type Query {", "type Query {\n  new: Int\n"))
        checked = compose(node, copy, "--check")
        assert checked.returncode == 1
        assert "Run: make supergraph" in checked.stderr

    @pytest.mark.needs("tweets", "notifier")
    def test_composition_error_is_reported_with_its_reason(self, node: Path, copy: Path) -> None:
        schema = copy / "subgraphs" / "auth" / "schema.graphql"
        schema.write_text(
            schema.read_text().replace("username: String! @shareable", "username: ID!")
        )
        checked = compose(node, copy)
        assert checked.returncode == 1
        assert "User.username" in checked.stderr

    def test_disagreement_of_the_composers_is_refused(self, node: Path, copy: Path) -> None:
        script = copy / "router" / "compose.mjs"
        text = script.read_text()
        assert "services.map(lowered)" in text
        script.write_text(
            text.replace("services.map(lowered)", "services.map(lowered).map(other)")
            + (
                "function other(service) {\n"
                '  const sdl = print(service.typeDefs).replace("me: User", "me: User!");\n'
                "  return { ...service, typeDefs: parse(sdl) };\n}\n"
            )
        )
        checked = compose(node, copy, "--check")
        assert checked.returncode == 1
        assert "do not agree on the API schema" in checked.stderr


class TestHints:
    OVERRIDE = """
        type User @key(fields: "id") {
          id: ID!
          username: String! @shareable @override(from: "auth")
        }
    """

    @pytest.mark.needs("tweets", "notifier")
    def test_hint_fails_with_code_coordinate_and_subgraphs(self, node: Path, copy: Path) -> None:
        add_guests(
            copy, '"""Another text.""" type User @key(fields: "id") { id: ID! guests: Int! }'
        )
        composed = compose(node, copy)
        assert composed.returncode == 1
        assert re.search(
            r"INCONSISTENT_DESCRIPTION at User \(auth,.* guests,.*\): ", composed.stderr
        )

    def test_accepted_hint_passes(self, node: Path, copy: Path) -> None:
        add_guests(copy, self.OVERRIDE)
        assert "OVERRIDDEN_FIELD_CAN_BE_REMOVED at User.username" in compose(node, copy).stderr
        self.accept(copy, "profiles takes it over")
        composed = compose(node, copy)
        assert composed.returncode == 0, composed.stderr

    def test_accepting_needs_a_reason(self, node: Path, copy: Path) -> None:
        add_guests(copy, self.OVERRIDE)
        self.accept(copy, "")
        assert "OVERRIDDEN_FIELD_CAN_BE_REMOVED" in compose(node, copy).stderr

    def test_acceptance_that_no_hint_needs_is_refused(self, node: Path, copy: Path) -> None:
        self.accept(copy, "profiles takes it over")
        composed = compose(node, copy)
        assert composed.returncode == 1
        assert "remove them from ACCEPTED_HINTS" in composed.stderr

    def accept(self, copy: Path, reason: str) -> None:
        script = copy / "router" / "compose.mjs"
        hint = 'code: "OVERRIDDEN_FIELD_CAN_BE_REMOVED", at: "User.username"'
        text, start = script.read_text(), "const ACCEPTED_HINTS = ["
        assert start in text
        script.write_text(text.replace(start, f'{start}{{ {hint}, reason: "{reason}" }},'))


class TestSubgraphsThatDisagree:
    def test_error_type_of_two_subgraphs_is_named_with_the_rule(
        self, node: Path, copy: Path
    ) -> None:
        add_guests(
            copy,
            "type Mutation { greet: InvalidInputError! } interface Error { message: String! } "
            "type InvalidInputError implements Error { message: String! }",
        )
        for options in ([], ["--check"]):
            composed = compose(node, copy, *options)
            assert composed.returncode == 1
            assert composed.stderr.strip() == (
                "InvalidInputError is an error type of auth and guests. An error type belongs to "
                "one subgraph: leave it to auth, and rename it to GuestsInvalidInputError in "
                "subgraphs/guests/types.py."
            )

    @pytest.mark.needs("tweets")
    @pytest.mark.parametrize(
        "reference",
        [
            'type Tweet @key(fields: "slug", resolvable: false) { slug: ID! }',
            'type Tweet @key(fields: "slug") { slug: ID! guests: Int! }',
        ],
    )
    def test_key_that_the_owner_does_not_have_is_explained_once(
        self, node: Path, copy: Path, reference: str
    ) -> None:
        add_guests(
            copy, f"type Mutation {{ greet: Guest! }} type Guest {{ tweet: Tweet! }} {reference}"
        )
        composed = compose(node, copy)
        assert composed.returncode == 1
        explained = (
            r'Tweet has the key "slug" in guests, which no other subgraph declares '
            r'\(.*tweets: "id".*\)\. Give it one of these keys in subgraphs/guests/types\.py\.'
        )
        assert len(re.findall(explained, composed.stderr)) == 1
        assert composed.stderr.count("SATISFIABILITY_ERROR") == 1

    def test_subgraph_of_mutations_composes(self, node: Path, copy: Path) -> None:
        add_guests(
            copy,
            "type Query { _service: _Service! } type _Service { sdl: String! } "
            "type Mutation { greet: Int! }",
        )
        composed = compose(node, copy)
        assert composed.returncode == 0, composed.stderr
        assert (
            "greet: Int! @join__field(graph: GUESTS)"
            in (copy / "router" / SUPERGRAPH.name).read_text()
        )


class TestRouter:
    """The router's configuration matches the subgraphs and the stand-in."""

    def test_router_has_the_address_of_each_subgraph(self) -> None:
        configuration = yaml.safe_load((ROOT / "router" / "router.yaml").read_text())
        assert (
            set(configuration["override_subgraph_url"])
            == set(schema_files())
            == set(subgraph_names())
        )

    def test_router_and_stand_in_hold_the_same_limits(self) -> None:
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

    def test_router_image_contains_its_script(self) -> None:
        rhai = yaml.safe_load((ROOT / "router" / "router.yaml").read_text())["rhai"]
        folder = rhai["scripts"].partition(":-")[2].rstrip("}")
        [copied] = re.findall(rf"^COPY (.*) {folder}/$", (ROOT / "Dockerfile").read_text(), re.M)
        assert f"router/{rhai['main']}" in copied.split()
        ignored = (ROOT / ".dockerignore").read_text().splitlines()
        assert {f"!{file}" for file in copied.split()} <= set(ignored)

    def test_configuration_needs_no_licence(self) -> None:
        """These keys need a licence by their mere presence."""
        configuration = yaml.safe_load((ROOT / "router" / "router.yaml").read_text())
        licensed = {
            *("authentication", "authorization", "batching", "persisted_queries", "coprocessor"),
            *("demand_control", "subscription", "response_cache", "preview_entity_cache"),
        }
        assert not licensed & set(configuration)
        limits = configuration["limits"]["router"]
        assert not {"max_depth", "max_height", "max_root_fields", "max_aliases"} & set(limits)
