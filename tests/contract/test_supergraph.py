"""The committed schemas match the code, and the supergraph is composed of them."""

import importlib
import io
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from graphql import TypeDefinitionNode, TypeExtensionNode, parse, print_ast

from chassis.topology import declared
from stack.commands import Commands
from stack.console import Console
from stack.node import ROUTER_PACKAGES, install_packages
from stack.process import ROOT
from stack.services import subgraph_names
from stack.supergraph import (
    API,
    CONFIGURATION,
    SUPERGRAPH,
    is_composed,
    schema_files,
)


@dataclass(frozen=True)
class Composed:
    """What a run of router/compose.mjs wrote, and its exit status."""

    status: int
    stdout: str
    stderr: str


Compose = Callable[..., Composed]


@pytest.fixture(scope="module")
def node() -> Path:
    return install_packages(Commands(Console(io.StringIO()), threading.Event()), ROUTER_PACKAGES)


@pytest.fixture(scope="module")
def compose(node: Path) -> Iterator[Compose]:
    """Return a function that runs the script of a copy; all share one process (compose.mjs)."""
    with subprocess.Popen(
        [node, Path(__file__).with_name("compose.mjs")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        given, answers = process.stdin, process.stdout

        def run(root: Path, *options: str) -> Composed:
            given.write(json.dumps({"root": str(root), "options": options}) + "\n")
            given.flush()
            return Composed(**json.loads(answers.readline()))

        yield run
        given.close()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files that composition reads, to be changed."""
    for file in (CONFIGURATION, SUPERGRAPH, API, *schema_files().values()):
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


ROOTS = {"Query", "Mutation", "Subscription"}
"""Types that every subgraph has a part of, which no single one describes."""


def undescribed(sdl: str) -> list[str]:
    """Return the elements of the public schema without a description, federation's own left out.

    Elements are types, fields, arguments, input fields and enum values. A type that this subgraph
    only refers to is described by its owner.
    """
    found: list[str] = []
    for definition in parse(sdl).definitions:
        if isinstance(definition, (TypeDefinitionNode, TypeExtensionNode)):
            directives = " ".join(map(print_ast, definition.directives or ()))
            if "resolvable: false" not in directives:
                found += _undescribed(definition.name.value, definition)
    return [name for name in found if name not in ROOTS and not name.startswith(("_", "Query._"))]


def _undescribed(name: str, node: object) -> list[str]:
    is_extension = isinstance(node, TypeExtensionNode)
    found = [] if is_extension or getattr(node, "description", None) else [name]
    for kind in ("fields", "arguments", "values"):
        for part in getattr(node, kind, None) or ():
            found += _undescribed(f"{name}.{part.name.value}", part)
    return found


@cache
def built(name: str) -> Any:
    """Return the schema that the code of a subgraph has."""
    return importlib.import_module(f"{declared()[name].module}.schema").build_schema()


def exported(name: str) -> str:
    """Return that schema as `python -m … schema` prints it."""
    return f"{built(name).sdl}\n"


class TestSchemas:
    def test_committed_schemas_are_up_to_date(self) -> None:
        for name, file in schema_files().items():
            assert file.read_text() == exported(name), f"{name} has drifted. Run: make supergraph"

    @pytest.mark.parametrize("name", schema_files())
    def test_every_element_of_the_public_schema_has_a_description(self, name: str) -> None:
        assert undescribed(exported(name)) == []

    def test_element_of_every_kind_without_a_description_is_found(self) -> None:
        sdl = """
            type Query { tweet(id: ID!): Tweet _service: Int }
            type Tweet { text: String! }
            extend type User { tweets: Int }
            input TweetInput { text: String! }
            enum Kind { TWEETED }
            union Result = Tweet
            interface Error { message: String! }
            scalar DateTime
        """
        found = set(undescribed(sdl))
        assert found == {
            *("Query.tweet", "Query.tweet.id", "Tweet", "Tweet.text", "User.tweets", "TweetInput"),
            *("TweetInput.text", "Kind", "Kind.TWEETED", "Result", "Error", "Error.message"),
            "DateTime",
        }

    def test_every_subgraph_holds_its_scopes_against_its_own_declaration(self) -> None:
        for service in declared().subgraphs:
            assert built(service.name).service == service.name, f"{service.folder}/schema.py"


class TestSupergraph:
    def test_committed_supergraph_is_up_to_date_and_both_composers_agree(
        self, compose: Compose
    ) -> None:
        checked = compose(ROOT, "--check")
        assert checked.status == 0, checked.stderr
        assert "both composers agree" in checked.stdout
        assert is_composed()

    def test_changed_schema_is_reported_as_drift(self, compose: Compose, copy: Path) -> None:
        schema = copy / "subgraphs" / "auth" / "schema.graphql"
        schema.write_text(schema.read_text().replace("type Query {", "type Query {\n  new: Int\n"))
        checked = compose(copy, "--check")
        assert checked.status == 1
        assert "Run: make supergraph" in checked.stderr

    @pytest.mark.needs("tweets", "notifier")
    def test_composition_error_is_reported_with_its_reason(
        self, compose: Compose, copy: Path
    ) -> None:
        schema = copy / "subgraphs" / "auth" / "schema.graphql"
        schema.write_text(
            schema.read_text().replace("username: String! @shareable", "username: ID!")
        )
        checked = compose(copy)
        assert checked.status == 1
        assert "User.username" in checked.stderr

    def test_disagreement_of_the_composers_is_refused(self, compose: Compose, copy: Path) -> None:
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
        checked = compose(copy, "--check")
        assert checked.status == 1
        assert "do not agree on the API schema" in checked.stderr


class TestHints:
    OVERRIDE = """
        type User @key(fields: "id") {
          id: ID!
          username: String! @shareable @override(from: "auth")
        }
    """

    @pytest.mark.needs("tweets", "notifier")
    def test_hint_fails_with_code_and_subgraphs(self, compose: Compose, copy: Path) -> None:
        add_guests(
            copy, '"""Another text.""" type User @key(fields: "id") { id: ID! guests: Int! }'
        )
        composed = compose(copy)
        assert composed.status == 1
        assert re.search(
            r"INCONSISTENT_DESCRIPTION at User \(auth,.* guests,.*\): ", composed.stderr
        )

    def test_accepted_hint_passes(self, compose: Compose, copy: Path) -> None:
        add_guests(copy, self.OVERRIDE)
        assert "OVERRIDDEN_FIELD_CAN_BE_REMOVED at User.username" in compose(copy).stderr
        self.accept(copy, "profiles takes it over")
        composed = compose(copy)
        assert composed.status == 0, composed.stderr

    def test_accepting_needs_a_reason(self, compose: Compose, copy: Path) -> None:
        add_guests(copy, self.OVERRIDE)
        self.accept(copy, "")
        assert "OVERRIDDEN_FIELD_CAN_BE_REMOVED" in compose(copy).stderr

    def test_acceptance_that_no_hint_needs_is_refused(self, compose: Compose, copy: Path) -> None:
        self.accept(copy, "profiles takes it over")
        composed = compose(copy)
        assert composed.status == 1
        assert "remove them from ACCEPTED_HINTS" in composed.stderr

    def accept(self, copy: Path, reason: str) -> None:
        script = copy / "router" / "compose.mjs"
        hint = 'code: "OVERRIDDEN_FIELD_CAN_BE_REMOVED", at: "User.username"'
        text, start = script.read_text(), "const ACCEPTED_HINTS = ["
        assert start in text
        script.write_text(text.replace(start, f'{start}{{ {hint}, reason: "{reason}" }},'))


class TestSubgraphsThatDisagree:
    def test_error_type_of_two_subgraphs_is_named_with_the_rule(
        self, compose: Compose, copy: Path
    ) -> None:
        add_guests(
            copy,
            "type Mutation { greet: InvalidInputError! } interface Error { message: String! } "
            "type InvalidInputError implements Error { message: String! }",
        )
        for options in ([], ["--check"]):
            composed = compose(copy, *options)
            assert composed.status == 1
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
        self, compose: Compose, copy: Path, reference: str
    ) -> None:
        add_guests(
            copy, f"type Mutation {{ greet: Guest! }} type Guest {{ tweet: Tweet! }} {reference}"
        )
        composed = compose(copy)
        assert composed.status == 1
        explained = (
            r'Tweet has the key "slug" in guests, which no other subgraph declares '
            r'\(.*tweets: "id".*\)\. Give it one of these keys in subgraphs/guests/types\.py\.'
        )
        assert len(re.findall(explained, composed.stderr)) == 1
        assert composed.stderr.count("SATISFIABILITY_ERROR") == 1

    def test_subgraph_of_mutations_composes(self, compose: Compose, copy: Path) -> None:
        add_guests(
            copy,
            "type Query { _service: _Service! } type _Service { sdl: String! } "
            "type Mutation { greet: Int! }",
        )
        composed = compose(copy)
        assert composed.status == 0, composed.stderr
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
        # The explorer counts what the router refuses without a figure.
        page = (ROOT / "explorer" / "src" / "document.ts").read_text()
        for name, value in {
            "MAX_TOKENS": limits["parser_max_tokens"],
            "MAX_NESTING": limits["parser_max_recursion"],
        }.items():
            assert f"export const {name} = {value};" in page

    def test_edge_names_its_limits_in_its_refusals(self) -> None:
        edge = (ROOT / "router" / "edge.yaml").read_text()
        [body] = re.findall(r"max_request_bytes: (\d+)", edge)
        [headers] = re.findall(r"max_request_headers_kb: (\d+)", edge)
        [count] = re.findall(r"max_headers_count: (\d+)", edge)
        assert edge.count(f"{body} are allowed.") == 2
        assert f"larger than {headers} KiB, or more than {count}." in edge

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
