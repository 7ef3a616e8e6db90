"""The limits of a document, which are cheap to check."""

import pytest
import strawberry
from graphql import GraphQLError, build_schema, parse, validate

from chassis.graphql.limits import (
    FRAGMENT_NESTING,
    Limits,
    operation_limits,
    operation_sizes,
    request_excess,
)

SCHEMA = build_schema(
    """
    type Query {
      node: Node
      nodes(first: Int! = 20): [Node!]
      _entities(representations: [ID!]!): [Node]!
    }
    type Node { node: Node  name: String  nodes(first: Int! = 20): [Node!] }
    type Mutation { change: Node }
    """
)


@strawberry.type
class Paged:
    @strawberry.field
    def nodes(self, first: int = 7) -> "list[Paged]":
        return []


LIMITS = Limits(depth=5, aliases=3, mutations=2, objects=1000)


def errors(document: str) -> list[GraphQLError]:
    return validate(SCHEMA, parse(document), [operation_limits(LIMITS)])


def message(document: str) -> str:
    return errors(document)[0].message


def nested(levels: int, inner: str = "name") -> str:
    """Return so many levels of fields around `inner`."""
    return "{ node " * levels + f"{{ {inner} }}" + " }" * levels


class TestDepth:
    def test_depth_is_counted_in_fields(self) -> None:
        assert errors(nested(4)) == []
        assert message(nested(5)) == "The operation has 6 levels; 5 are allowed."

    def test_fragment_adds_no_level_but_its_fields_do(self) -> None:
        assert errors("{ ...f } fragment f on Query " + nested(4)) == []
        assert message("{ node { ...f } } fragment f on Node " + nested(4)).startswith(
            "The operation has 6 levels"
        )

    def test_inline_fragment_adds_no_level(self) -> None:
        assert errors(nested(4, "... on Node { ... { ... on Node { name } } }")) == []
        assert errors(nested(4, "... on Node { ... { node { name } } }"))

    def test_each_operation_of_a_document_is_checked(self) -> None:
        assert errors("query a { node { name } } query b " + nested(5))

    def test_introspection_adds_no_level(self) -> None:
        assert (
            errors("{ __schema { types { fields { type { ofType { ofType { name } } } } } } }")
            == []
        )


class TestAliases:
    def test_aliases_are_counted_at_every_level(self) -> None:
        assert errors("{ a: node { b: name ... on Node { c: name } } }") == []
        assert message("{ a: node { b: name ... on Node { c: name d: name } } }") == (
            "The operation has 4 aliases; 3 are allowed."
        )

    def test_aliases_of_a_fragment_count_at_each_spread(self) -> None:
        spread_twice = "{ node { ...f node { ...f } } } fragment f on Node { a: name b: name }"
        assert message(spread_twice) == "The operation has 4 aliases; 3 are allowed."

    def test_aliases_of_an_unused_fragment_do_not_count(self) -> None:
        assert (
            errors("{ node { name } } fragment f on Node { a: name b: name c: name d: name }") == []
        )


class TestFragments:
    def chain(self, length: int, links: str) -> str:
        """Return a chain of fragments that each spread the next one."""
        fragments = (
            f"fragment f{n} on Node {{ {links.replace('NEXT', f'...f{n + 1}')} }}"
            for n in range(length)
        )
        return " ".join(
            ["{ node { ...f0 } }", *fragments, f"fragment f{length} on Node {{ name }}"]
        )

    @pytest.mark.parametrize("length", [40, FRAGMENT_NESTING - 1])
    def test_doubling_fragments_are_measured_once(self, length: int) -> None:
        # Each fragment is spread twice in the previous one. Expanded, these are 2^length fields,
        # and this test would not end.
        document = parse(self.chain(length, "NEXT ... on Node { NEXT }"))
        assert validate(SCHEMA, document, [operation_limits(LIMITS)]) == []

    def test_fields_of_doubling_fragments_are_counted(self) -> None:
        assert message(self.chain(10, "NEXT a: name NEXT")) == (
            "The operation has 1023 aliases; 3 are allowed."
        )
        assert message(self.chain(10, "NEXT node { NEXT }")).startswith(
            "The operation has 12 levels"
        )

    def test_long_chain_of_fragments_is_refused(self) -> None:
        assert message(self.chain(FRAGMENT_NESTING, "NEXT")) == (
            f"Fragments are nested deeper than {FRAGMENT_NESTING} levels."
        )

    @pytest.mark.parametrize(
        "fragments",
        [
            "fragment f on Node { ...f }",
            "fragment f on Node { node { ...f } name }",
            "fragment f on Node { ...g } fragment g on Node { node { ...f ...g } }",
        ],
    )
    def test_cycle_is_reported_by_its_own_rule(self, fragments: str) -> None:
        document = f"{{ node {{ ...f }} }} {fragments}"
        assert errors(document) == []
        assert any("itself" in e.message for e in validate(SCHEMA, parse(document)))

    def test_unknown_fragment_is_reported_by_its_own_rule(self) -> None:
        assert errors("{ node { ...unknown } }") == []


class TestObjects:
    @pytest.mark.parametrize(
        ("document", "objects"),
        [
            ("{ nodes(first: 1001) { name } }", 1001),
            ("{ nodes(first: 50) { nodes(first: 20) { name } } }", 50 * (1 + 20)),
            ("query ($n: Int!) { nodes(first: $n) { nodes(first: 10) { name } } }", 100 * (1 + 10)),
            (
                "{ nodes(first: 40) { ...f } } fragment f on Node { nodes(first: 30) { name } }",
                1240,
            ),
            ("{ nodes(first: 40) { ... on Node { nodes(first: 30) { name } } } }", 1240),
            ("{ nodes(first: -9) { name } node { nodes(first: 1000) { name } } }", 1 + 1 + 1000),
        ],
    )
    def test_page_size_multiplies_the_objects_below(self, document: str, objects: int) -> None:
        assert message(document) == f"The operation has {objects} objects; 1000 are allowed."

    def test_default_page_size_counts(self) -> None:
        schema = strawberry.Schema(Paged)._schema
        rule = operation_limits(Limits(objects=10))
        (error,) = validate(schema, parse("{ nodes { nodes { __typename } } }"), [rule])
        assert error.message == "The operation has 56 objects; 10 are allowed."

    def test_small_pages_are_within_the_limit(self) -> None:
        assert errors("{ nodes(first: 100) { name node { name } nodes(first: 5) { name } } }") == []


class TestMutations:
    def test_mutations_of_one_document_are_limited(self) -> None:
        assert errors("mutation { change { name } a: change { name } }") == []
        three = "{ ...f ...g } fragment f on Mutation { change { name } } fragment g on Mutation "
        three += "{ a: change { name } b: change { name } }"
        assert message(f"mutation {three}") == "The operation has 3 mutations; 2 are allowed."


def excess(
    document: str,
    *,
    operation: str | None = None,
    mutations_before: int = 0,
    entities: int | None = None,
) -> str | None:
    """Return the error of a request for a valid document."""
    assert errors(document) == []
    size = operation_sizes(SCHEMA, parse(document), LIMITS)[operation]
    variables = {} if entities is None else {"representations": ["x"] * entities}
    error = request_excess(size, LIMITS, mutations_before, variables)
    return error.message if error else None


class TestRequest:
    def test_mutations_of_earlier_fetches_count(self) -> None:
        assert excess("mutation { change { name } }", mutations_before=1) is None
        assert excess("mutation { change { name } }", mutations_before=2) == (
            "The operation has at least 3 mutations; 2 are allowed. "
            "The first 2 ran, the others did not."
        )

    def test_mutations_in_fragments_count(self) -> None:
        spread = "mutation { ...f } fragment f on Mutation { change { name } a: change { name } }"
        assert excess(spread) is None
        assert excess(spread, mutations_before=1)

    def test_queries_after_the_last_mutation_run(self) -> None:
        assert excess("{ node { name } }", mutations_before=2) is None

    def test_each_operation_has_its_own_size(self) -> None:
        document = (
            "query a { node { name } } mutation b { change { name } } "
            "mutation c { change { name } d: change { name } }"
        )
        assert excess(document, operation="a", mutations_before=2) is None
        assert excess(document, operation="b", mutations_before=1) is None
        assert excess(document, operation="c", mutations_before=1)

    ENTITIES = """query ($representations: [ID!]!) {
        _entities(representations: $representations) { nodes(first: 9) { name } } }"""

    def test_objects_count_for_each_entity(self) -> None:
        assert excess(self.ENTITIES) is None
        assert excess(self.ENTITIES, entities=100) is None
        assert excess(self.ENTITIES, entities=101) == (
            "The operation has 1010 objects; 1000 are allowed."
        )

    def test_many_small_entities_are_within_the_limit(self) -> None:
        leaves = self.ENTITIES.replace("nodes(first: 9) { name }", "name")
        assert excess(leaves, entities=1000) is None
        assert excess(leaves, entities=1001)
