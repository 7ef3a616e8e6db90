"""A subclass that overrides what compiled code does not call runs on the stock executor."""

import logging
from typing import Any

import pytest
import strawberry
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from strawberry_compiled import CompilingExecutionContext
from strawberry_compiled.plans import schema_plans


@strawberry.type
class Thing:
    name: str = "thing"


@strawberry.type
class Query:
    @strawberry.field
    def things(self) -> list[Thing]:
        return [Thing(), Thing()]


class Shouts(StrawberryGraphQLCoreExecutionContext):
    @staticmethod
    def complete_leaf_value(return_type: Any, result: Any) -> Any:
        return StrawberryGraphQLCoreExecutionContext.complete_leaf_value(
            return_type, result
        ).upper()


class Reverses(StrawberryGraphQLCoreExecutionContext):
    def complete_list_value(self, *args: Any) -> Any:
        completed: Any = super().complete_list_value(*args)
        return [*completed, "more"]


class Aliases(StrawberryGraphQLCoreExecutionContext):
    def execute_operation(self, serially: bool | None = None) -> Any:
        result: Any = super().execute_operation(serially)
        return result._replace(data={"other": result.data})


class ShoutingFirst(Shouts, CompilingExecutionContext):
    pass


class ShoutingLast(CompilingExecutionContext, Shouts):
    pass


class ReversingFirst(Reverses, CompilingExecutionContext):
    pass


class ReversingLast(CompilingExecutionContext, Reverses):
    pass


class AliasingFirst(Aliases, CompilingExecutionContext):
    pass


class AliasingLast(CompilingExecutionContext, Aliases):
    pass


def run(cls: type) -> tuple[list[Any], int]:
    """Return the data of four executions, and the number of documents with plans."""
    schema = strawberry.Schema(Query, execution_context_class=cls)
    data = [schema.execute_sync("{ things { name } }").data for _ in range(4)]
    return data, len(schema_plans(schema._schema))


class TestOverrides:
    @pytest.mark.parametrize(
        ("stock", "compiling"),
        [
            (Shouts, ShoutingFirst),
            (Shouts, ShoutingLast),
            (Reverses, ReversingFirst),
            (Reverses, ReversingLast),
            (Aliases, AliasingFirst),
            (Aliases, AliasingLast),
        ],
    )
    def test_the_overridden_method_is_called_in_every_execution(
        self, stock: type, compiling: type
    ) -> None:
        expected, _ = run(stock)
        data, documents = run(compiling)
        assert data == expected
        assert documents == 0

    def test_it_is_logged_once_by_the_name_of_the_method(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Own(CompilingExecutionContext):
            @staticmethod
            def complete_leaf_value(return_type: Any, result: Any) -> Any:
                return result

        with caplog.at_level(logging.WARNING, "strawberry_compiled"):
            run(Own)
            run(Own)
        (record,) = caplog.records
        assert "Own overrides complete_leaf_value" in record.getMessage()


class TestWhatMayBeOverridden:
    def test_build_and_the_response(self) -> None:
        built = []

        class Own(CompilingExecutionContext):
            @classmethod
            def build(cls, *args: Any, **kwargs: Any) -> Any:
                built.append(1)
                return super().build(*args, **kwargs)

            def build_response(self, data: Any) -> Any:
                return super().build_response({**data, "count": len(built)})

            def helper(self) -> None:
                """A method that the stock executor lacks."""

        data, documents = run(Own)
        assert [each["count"] for each in data] == [1, 2, 3, 4]
        assert documents == 1

    def test_the_context_is_still_of_the_subclass(self) -> None:
        seen: list[Any] = []

        class Own(CompilingExecutionContext):
            def build_response(self, data: Any) -> Any:
                seen.append(self)
                return super().build_response(data)

        run(Own)
        assert len(seen) == 4
        assert all(isinstance(each, Own) for each in seen)
        assert {type(each).__name__ for each in seen} == {"Own"}
