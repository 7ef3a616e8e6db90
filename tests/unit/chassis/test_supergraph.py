"""Which fields a subgraph resolves itself, read from the supergraph."""

import pytest
from graphql import OperationDefinitionNode, parse, validate

from chassis.graphql.supergraph import Supergraph
from chassis.topology import declared
from tests.unit.chassis.federated import API, SUPERGRAPH

SMALL = Supergraph(API, SUPERGRAPH)


def foreign(query: str, supergraph: Supergraph = SMALL, graph: str = "items") -> str | None:
    document = parse(query)
    assert validate(supergraph.api, document) == []
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    return supergraph.foreign_field(document, operation, graph)


class TestForeignField:
    @pytest.mark.parametrize(
        "selection",
        [
            "id __typename number text(upper: true)",
            "owner { id __typename }",
            "owner { name }",
            "owner { items(first: 1) { owner { name } } }",
            "...I",
        ],
    )
    def test_selection_of_own_and_provided_fields_has_none(self, selection: str) -> None:
        fragments = (
            "fragment I on Item { ... on Item { owner { ...U } } } "
            "fragment U on User { name ...V } fragment V on User { id }"
        )
        used = fragments if "..." in selection else ""
        assert foreign(f"subscription {{ items {{ {selection} }} }} {used}") is None

    @pytest.mark.parametrize(
        ("selection", "found"),
        [
            ("number owner { joined }", "User.joined"),
            ("owner { mail { isOn } }", "User.mail"),
            # `name` is provided by `owner`, and not by `best`.
            ("best { name }", "User.name"),
            ("owner { name } best { id items { owner { joined } } }", "User.joined"),
            ("... on Item { owner @skip(if: true) { joined } }", "User.joined"),
        ],
    )
    def test_field_of_another_subgraph_is_found(self, selection: str, found: str) -> None:
        assert foreign(f"subscription {{ items {{ {selection} }} }}") == found

    def test_fragment_is_judged_where_it_is_spread(self) -> None:
        fragment = "fragment U on User { name }"
        assert foreign(f"subscription {{ items {{ owner {{ ...U }} }} }} {fragment}") is None
        both = f"subscription {{ items {{ owner {{ ...U }} best {{ ...U }} }} }} {fragment}"
        assert foreign(both) == "User.name"

    @pytest.mark.parametrize(
        "join",
        [
            '@join__field(graph: ITEMS, requires: "id")',
            "@join__field(graph: ITEMS, usedOverridden: true) @join__field(graph: USERS)",
            "@join__field(graph: ITEMS, external: true)",
            "@join__field",
        ],
    )
    def test_field_that_needs_another_subgraph_is_foreign(self, join: str) -> None:
        sdl = SUPERGRAPH.replace("number: Int! @join__field(graph: ITEMS)", f"number: Int! {join}")
        assert sdl != SUPERGRAPH
        found = foreign("subscription { items { id number } }", Supergraph(API, sdl))
        assert found == "Item.number"

    def test_fields_of_an_interface_object_are_foreign(self) -> None:
        sdl = SUPERGRAPH.replace(
            'type Item @join__type(graph: ITEMS, key: "id")',
            'type Item @join__type(graph: ITEMS, key: "id", isInterfaceObject: true)',
        )
        found = foreign("subscription { items { id } }", Supergraph(API, sdl))
        assert found == "Item.id"

    def test_nested_provision_is_followed(self) -> None:
        sdl = SUPERGRAPH.replace('provides: "name"', 'provides: "mail { isOn }"').replace(
            "mail: Mail @join__field(graph: USERS)",
            "mail: Mail @join__field(graph: USERS) @join__field(graph: ITEMS, external: true)",
        )
        assert (
            foreign("subscription { items { owner { mail { isOn } } } }", Supergraph(API, sdl))
            is None
        )

    def test_nested_double_spreads_take_linear_time(self) -> None:
        fragments = " ".join(
            f"fragment F{n} on Item {{ ...F{n + 1} ...F{n + 1} }}" for n in range(40)
        )
        query = f"subscription {{ items {{ ...F0 }} }} {fragments} fragment F40 on Item {{ id }}"
        assert foreign(query) is None


class TestServers:
    def test_subscription_names_the_subgraphs_that_serve_it(self) -> None:
        assert SMALL.servers("items") == {"items"}
        assert SMALL.servers("likes") == {"likes"}

    def test_every_subscription_of_the_committed_supergraph_has_a_server(self) -> None:
        committed = Supergraph.read()
        subscriptions = committed.api.subscription_type
        served = {s.name for s in declared().services.values() if s.subscriptions}
        for field in subscriptions.fields if subscriptions else ():
            assert committed.servers(field) <= served
            assert committed.servers(field)
