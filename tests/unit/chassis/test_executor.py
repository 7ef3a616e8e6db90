"""The switch between the compiling executor and Strawberry's own."""

import pytest
import strawberry

from chassis.errors import BadUserInput
from chassis.graphql.schema import ExecutorName, build_schema
from strawberry_compiled import explain
from strawberry_compiled.plans import schema_plans


@strawberry.type
class Book:
    title: str


@strawberry.type
class Query:
    @strawberry.field
    def books(self, count: int = 1) -> list[Book]:
        return [Book(title="A book")] * count


DOCUMENT = "query ($count: Int!) { books(count: $count) { title } }"


class TestExecutor:
    @pytest.mark.parametrize("executor", ["compiled", "stock"])
    async def test_both_answer_and_classify_errors_of_variables(
        self, executor: ExecutorName
    ) -> None:
        schema = build_schema(query=Query, executor=executor)
        for _ in range(3):
            result = await schema.execute(DOCUMENT, {"count": 2})
            assert result.data == {"books": [{"title": "A book"}] * 2}
            wrong = await schema.execute(DOCUMENT, {"count": "two"})
            assert wrong.errors is not None
            assert wrong.errors[0].extensions == {"code": BadUserInput.code}

    async def test_operations_are_compiled_by_default(self) -> None:
        schema = build_schema(query=Query)
        for _ in range(2):
            await schema.execute(DOCUMENT, {"count": 1})
        assert len(schema_plans(schema._schema)) == 1
        (books,) = explain(schema, DOCUMENT, {"count": 1}).fields
        assert (books.how, books.fields) == ("called", 1)

    async def test_the_stock_executor_compiles_nothing(self) -> None:
        schema = build_schema(query=Query, executor="stock")
        for _ in range(2):
            await schema.execute(DOCUMENT, {"count": 1})
        assert len(schema_plans(schema._schema)) == 0
        assert explain(schema, DOCUMENT, {"count": 1}).reason
