"""A subscription as a source of events and a query that completes each of them."""

import pytest
from graphql import build_schema, get_operation_ast, parse, validate

from chassis.graphql.splitting import Split, split
from tests.unit.chassis.federated import API

SCHEMA = build_schema(API)


def split_of(query: str, name: str | None = None, entry: str = "item") -> Split:
    document = parse(query)
    assert validate(SCHEMA, document) == []
    operation = get_operation_ast(document, name)
    assert operation
    found = split(SCHEMA, document, operation, entry)
    for text in (found.source, found.query):
        assert validate(SCHEMA, parse(text)) == [], text
    return found


def compact(text: str) -> str:
    return " ".join(text.split())


class TestSplit:
    def test_source_selects_the_arguments_of_the_entry(self) -> None:
        found = split_of("subscription Feed { items(after: 1) { number owner { joined } } }")
        assert compact(found.source) == "subscription Feed { items(after: 1) { id } }"
        assert found.response_name == "items"
        assert found.arguments == {"id": "id"}

    def test_query_has_the_selection_below_the_entry(self) -> None:
        found = split_of("subscription Feed { items(after: 1) { number owner { joined } } }")
        assert compact(found.query) == (
            "query Feed($id: ID!) { items: item(id: $id) { number owner { joined } } }"
        )

    def test_alias_is_kept(self) -> None:
        found = split_of("subscription { feed: items { id } }")
        assert compact(found.source) == "subscription { feed: items { id } }"
        assert compact(found.query) == "query ($id: ID!) { feed: item(id: $id) { id } }"
        assert found.response_name == "feed"

    def test_each_document_has_the_variables_that_it_uses(self) -> None:
        found = split_of(
            "subscription ($after: ID, $upper: Boolean!, $skip: Boolean!) {"
            " items(after: $after) { text(upper: $upper) owner @skip(if: $skip) { joined } } }"
        )
        assert compact(found.source).startswith("subscription ($after: ID) {")
        assert compact(found.query).startswith(
            "query ($upper: Boolean!, $skip: Boolean!, $id: ID!) {"
        )
        assert found.source_variables == {"after"}
        assert found.query_variables == {"upper", "skip"}

    def test_variable_of_both_documents_is_kept_in_both(self) -> None:
        found = split_of(
            "subscription ($id: ID, $n: Int!) {"
            " items(after: $id) { owner { items(first: $n) { id } } } }"
        )
        assert found.source_variables == {"id"}
        # The name of the client's variable is not taken.
        assert found.arguments == {"id_": "id"}
        assert "item(id: $id_)" in found.query

    def test_default_of_a_variable_is_kept(self) -> None:
        found = split_of("subscription ($u: Boolean! = true) { items { text(upper: $u) } }")
        assert "$u: Boolean! = true" in found.query

    def test_fragments_that_are_used_are_kept(self) -> None:
        found = split_of(
            """subscription A($u: Boolean!) { items { ...I } }
            query B { item(id: 1) { ...Q } }
            fragment Q on Item { number }
            fragment I on Item { owner { ...U } ...T }
            fragment T on Item { text(upper: $u) }
            fragment U on User { joined }""",
            "A",
        )
        assert [name in found.query for name in ("fragment I", "fragment T", "fragment U")] == [
            True,
            True,
            True,
        ]
        assert "fragment Q" not in found.query
        assert "fragment" not in found.source
        assert found.query_variables == {"u"}

    def test_fragments_on_the_root_become_ones_on_the_query(self) -> None:
        found = split_of(
            """subscription { ... on Subscription { ...F } }
            fragment F on Subscription { ... { items { owner { joined } } } }"""
        )
        assert compact(found.query) == (
            "query ($id: ID!) { ... on Query { ...F } } "
            "fragment F on Query { ... { items: item(id: $id) { owner { joined } } } }"
        )
        assert compact(found.source) == (
            "subscription { ... on Subscription { ...F } } "
            "fragment F on Subscription { ... { items { id } } }"
        )

    def test_repeated_root_field_is_kept(self) -> None:
        found = split_of("subscription { items { number } items { owner { joined } } }")
        assert compact(found.query) == (
            "query ($id: ID!) { items: item(id: $id) { number } items: item(id: $id) "
            "{ owner { joined } } }"
        )

    def test_nested_double_spreads_at_the_root_take_linear_time(self) -> None:
        fragments = " ".join(
            f"fragment F{n} on Subscription {{ ...F{n + 1} ...F{n + 1} }}" for n in range(30)
        )
        found = split_of(
            f"subscription {{ ...F0 }} {fragments}"
            " fragment F30 on Subscription { items { id } }"
        )
        assert found.query.count("item(id: $id)") == 1

    @pytest.mark.parametrize(("field", "is_nullable"), [("items", False), ("maybe", True)])
    def test_nullability_is_that_of_the_subscription(self, field: str, is_nullable: bool) -> None:
        assert split_of(f"subscription {{ {field} {{ id }} }}").is_nullable is is_nullable
