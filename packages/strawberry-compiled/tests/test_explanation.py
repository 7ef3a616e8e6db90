"""`explain` says what runs compiled, and why the rest does not."""

from typing import Annotated, Any

import pytest
import strawberry
from graphql import GraphQLSyntaxError
from strawberry.extensions import SchemaExtension
from strawberry.permission import BasePermission

from strawberry_compiled import CompilingExecutionContext, Explanation, explain


class Everyone(BasePermission):
    def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        return True


@strawberry.type
class Author:
    name: str
    secret: str = strawberry.field(default="", permission_classes=[Everyone])


@strawberry.type
class Robot:
    version: int


@strawberry.type
class Book:
    title: str
    author: Author

    @strawberry.field
    def related(self, by: list[int] | None = None) -> "list[Book]":
        raise AssertionError("explaining runs no resolver")


@strawberry.type
class Query:
    @strawberry.field
    async def books(self) -> list[Book]:
        raise AssertionError("explaining runs no resolver")

    @strawberry.field
    def anyone(self) -> Annotated[Author | Robot, strawberry.union("Anyone")]:
        raise AssertionError("explaining runs no resolver")


def schema(**options: Any) -> strawberry.Schema:
    options.setdefault("execution_context_class", CompilingExecutionContext)
    return strawberry.Schema(Query, **options)


class TestFields:
    def test_a_resolver_whose_value_is_one_function(self) -> None:
        assert str(explain(schema(), "{ books { title author { name } } }")) == (
            "Compiled from execution 2 on.\n"
            "  books (Query.books): resolver called directly; its value is compiled, 3 fields"
        )

    def test_a_value_with_a_resolver_inside_is_completed_in_parts(self) -> None:
        found = explain(schema(), "{ books { title author { name } related(by: [1]) { title } } }")
        assert str(found) == (
            "Compiled from execution 2 on.\n"
            "  books (Query.books): resolver called directly; "
            "its value is completed in parts (Book.related: it has a resolver)\n"
            "    title (Book.title): compiled, 1 field\n"
            "    author (Book.author): compiled, 2 fields\n"
            "    related (Book.related): graphql-core, because an argument is a literal of the "
            "type [Int!]; use a variable; its value is compiled, 1 field"
        )

    def test_a_field_with_a_permission(self) -> None:
        found = explain(schema(), "{ books { author { hidden: secret } } }")
        hidden = found.fields[-1]
        assert hidden.path == ("books", "author", "hidden")
        assert hidden.how == "graphql-core"
        assert "permission" in hidden.reason

    def test_the_types_of_a_union(self) -> None:
        document = "{ anyone { ... on Author { name secret } ... on Robot { version } } }"
        found = explain(schema(), document)
        assert [(each.field, each.how) for each in found.fields] == [
            ("Query.anyone", "called"),
            ("Author.name", "compiled"),
            ("Author.secret", "graphql-core"),
            ("Robot.version", "compiled"),
        ]

    def test_variables_and_the_name_of_the_operation_are_taken(self) -> None:
        document = """query A { anyone { __typename } }
            query B($a: Boolean!) { books { title @include(if: $a) author { name } } }"""
        (books,) = explain(schema(), document, {"a": False}, "B").fields
        assert books.fields == 2

    def test_introspection(self) -> None:
        found = explain(schema(), "{ __schema { queryType { name } } __typename }")
        assert [each.how for each in found.fields][-1] == "compiled"
        assert found.fields[0].reason == "it is not a Strawberry field"


class TestWholeOperations:
    def reason(self, document: str = "{ books { title } }", **options: Any) -> str:
        found = explain(schema(**options), document)
        assert found.fields == ()
        return found.reason

    def test_a_schema_with_another_executor(self) -> None:
        reason = self.reason(execution_context_class=None)
        assert reason.endswith("execution_context_class is StrawberryGraphQLCoreExecutionContext")

    def test_an_extension_that_sees_every_field(self) -> None:
        class Watch(SchemaExtension):
            def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
                return _next(root, info, *args, **kwargs)

        reason = self.reason(extensions=[Watch])
        assert reason == "Watch must see every field (it has a `resolve` hook)"

    def test_a_subclass_that_overrides_a_hook(self) -> None:
        class Own(CompilingExecutionContext):
            @staticmethod
            def complete_leaf_value(*_: Any) -> Any:
                return None

        assert "overrides complete_leaf_value" in self.reason(execution_context_class=Own)

    def test_an_operation_that_is_too_large(self) -> None:
        document = "{ books " + "{ related " * 50 + "{ title }" + "}" * 50 + "}"
        assert self.reason(document) == "it has more than 40 levels"

    @pytest.mark.parametrize("document", ["query A { books { title } } query B { __typename }"])
    def test_an_invalid_request(self, document: str) -> None:
        assert self.reason(document).startswith("the request is invalid: Must provide operation")

    def test_the_text_names_the_reason(self) -> None:
        assert str(Explanation("it is large")) == "Runs on the stock executor: it is large."

    def test_a_syntax_error_is_raised(self) -> None:
        with pytest.raises(GraphQLSyntaxError):
            explain(schema(), "{")
