"""Documents are known by their text, where nothing else remembers them."""

from collections.abc import Iterator
from typing import Any

import strawberry
from graphql import FieldNode, NameNode, Source, Visitor, parse, visit
from strawberry.extensions import SchemaExtension

from strawberry_compiled import CompilingExecutionContext
from strawberry_compiled.documents import DOCUMENTS, MAX_TEXT, MAX_TEXTS, Documents
from strawberry_compiled.plans import schema_plans


@strawberry.type
class Thing:
    a: int = 1
    b: int = 2


@strawberry.type
class Query:
    @strawberry.field
    def thing(self) -> Thing:
        return Thing()


def schema(*extensions: Any) -> strawberry.Schema:
    return strawberry.Schema(
        Query, execution_context_class=CompilingExecutionContext, extensions=extensions
    )


def working_plans(of: strawberry.Schema) -> int:
    return sum(
        plan.run is not None
        for document in schema_plans(of._schema)
        for plans in document.variants()
        for plan in plans.values.plans.values()
    )


class TestWithoutACacheOfParsedDocuments:
    def test_the_second_execution_of_a_text_is_compiled(self) -> None:
        plain = schema()
        for plans in (0, 1, 1):
            assert plain.execute_sync("{ thing { a } }").data == {"thing": {"a": 1}}
            assert working_plans(plain) == plans
        assert len(schema_plans(plain._schema)) == 1

    def test_an_extension_that_changes_the_document_gets_its_own_answer(self) -> None:
        """It keeps the positions, so the text alone would find the wrong document."""
        wanted = "a"

        class Rename(Visitor):
            def enter_field(self, node: FieldNode, *_: Any) -> FieldNode | None:
                if node.name.value != "a" or wanted == "a":
                    return None
                name = NameNode(value=wanted, loc=node.name.loc)
                return FieldNode(name=name, alias=node.alias, arguments=(), loc=node.loc)

        class Renaming(SchemaExtension):
            def on_parse(self) -> Iterator[None]:
                yield
                document = self.execution_context.graphql_document
                assert document is not None
                self.execution_context.graphql_document = visit(document, Rename())

        renaming = schema(Renaming)
        for wanted, value in (("a", 1), ("b", 2), ("a", 1), ("b", 2), ("b", 2), ("a", 1)):
            result = renaming.execute_sync("{ thing { a } }")
            assert result.data == {"thing": {wanted: value}}

    def test_errors_point_at_the_same_positions(self) -> None:
        plain = schema()
        stock = strawberry.Schema(Query)
        document = "\n  { thing { a } nothing: thing { b(c: 1) } }"
        for _ in range(3):
            errors = plain.execute_sync(document).errors
            assert errors == stock.execute_sync(document).errors


class TestDocuments:
    def test_an_equal_document_is_replaced_by_the_known_one(self) -> None:
        documents = Documents()
        one, equal = parse("{ a }"), parse("{ a }")
        assert documents.known(one) is one
        assert documents.known(equal) is one

    def test_a_document_of_another_source_is_not(self) -> None:
        documents = Documents()
        documents.known(parse("{ a }"))
        named = parse(Source("{ a }", name="other.graphql"))
        assert documents.known(named) is named

    def test_one_without_positions_is_not(self) -> None:
        documents = Documents()
        document = parse("{ a }", no_location=True)
        assert documents.known(document) is document
        assert len(documents) == 0

    def test_the_number_of_documents_is_bounded(self) -> None:
        documents = Documents()
        first = parse("{ a }")
        for n in range(DOCUMENTS + 10):
            documents.known(parse(f"{{ a{n} }}"))
            documents.known(first)
        assert len(documents) == DOCUMENTS
        assert documents.known(parse("{ a }")) is first

    def test_the_characters_of_all_are_bounded(self) -> None:
        documents = Documents()
        text = "{ a }" + " " * (MAX_TEXT - 10)
        for n in range(60):
            documents.known(parse(f"{text}#{n}"))
        assert 0 < len(documents) <= MAX_TEXTS // (MAX_TEXT - 5)

    def test_a_long_document_is_not_kept(self) -> None:
        documents = Documents()
        documents.known(parse("{ a }" + " " * MAX_TEXT))
        assert len(documents) == 0

    def test_documents_too_deep_to_compare_are_not_taken_for_equal(self) -> None:
        documents = Documents()
        text = "{ a " * 190 + "{ b }" + "}" * 190
        one, equal = parse(text), parse(text)
        documents.known(one)
        assert documents.known(equal) is equal
