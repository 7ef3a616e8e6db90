"""Types that `node(id)` finds: declared where they are owned, referred to elsewhere."""

from collections.abc import Iterator

import pytest
import strawberry
from strawberry.federation.schema_directives import Key
from uuid_utils.compat import uuid7

from chassis.graphql import nodes
from chassis.graphql.nodes import Node, foreign_types, node_problems, ref_field, type_named_by
from chassis.graphql.schema import build_schema
from chassis.node_ids import naming
from chassis.topology import Topology, parse
from tests.unit.chassis.test_topology import AUTH, LIKES, PROJECT


@strawberry.federation.type(keys=["id"])
class User(Node):
    pass


@strawberry.federation.type(keys=["id", "ref"])
class Like(Node):
    ref: strawberry.ID = ref_field()


@pytest.fixture(autouse=True)
def topology(monkeypatch: pytest.MonkeyPatch) -> Iterator[Topology]:
    text = f'{PROJECT}{AUTH}nodes = ["User"]\n{LIKES}nodes = ["Like"]\n'
    topology = parse(text)
    monkeypatch.setattr(nodes, "declared", lambda: topology)
    foreign_types.cache_clear()
    yield topology
    foreign_types.cache_clear()


class TestForeignTypes:
    def test_type_of_another_service_is_a_reference_without_an_id_of_its_own(self) -> None:
        @strawberry.type
        class Query:
            @strawberry.field
            def node(self) -> Node | None:
                return None

        sdl = build_schema(query=Query, types=[*foreign_types("auth").values()]).sdl
        assert 'type Like implements Node @key(fields: "ref", resolvable: false) {' in sdl
        assert "  id: ID! @external\n" in sdl
        assert "  ref: ID! @inaccessible\n" in sdl

    def test_own_types_are_not_among_them(self) -> None:
        assert [*foreign_types("auth")] == ["Like"]
        assert [*foreign_types("likes")] == ["User"]


class TestTypeNamedBy:
    @pytest.mark.parametrize("name", ["User", "Like"])
    def test_new_id_names_its_type(self, name: str) -> None:
        assert type_named_by(str(naming(name, uuid7)())) == name

    def test_id_of_an_earlier_release_names_none(self) -> None:
        assert type_named_by(str(uuid7())) is None

    def test_id_of_an_undeclared_type_names_nothing(self) -> None:
        assert type_named_by(str(naming("Gone", uuid7)())) == ""

    @pytest.mark.parametrize("text", ["", "1", "nonsense"])
    def test_text_that_is_no_id_names_nothing(self, text: str) -> None:
        assert type_named_by(text) == ""


class TestNodeProblems:
    def test_declared_nodes_are_no_problem(self) -> None:
        types = {"Like": Like, "Node": Node, "Other": Key}
        assert [*node_problems("likes", types)] == []

    def test_reference_to_another_service_is_no_problem(self) -> None:
        types = {"User": User, **foreign_types("auth")}
        assert [*node_problems("auth", types)] == []

    def test_node_that_is_not_declared_is_named(self) -> None:
        types = {"Like": Like, "Star": Like}
        [problem] = node_problems("likes", types)
        assert problem.startswith('services.toml: [services.likes] nodes lacks "Star", which')

    def test_declared_type_that_is_no_node_is_named(self) -> None:
        [problem] = node_problems("likes", {"Like": Key})
        assert problem.startswith('services.toml: [services.likes] nodes has "Like", which does')
