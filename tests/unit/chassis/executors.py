"""Runs an operation on the stock and on the compiling executor and demands the same answer."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionResult

from chassis.graphql.compiled import CompilingExecutor
from chassis.graphql.compiled.plans import CREDIT, Plan, schema_plans


def placed(text: str) -> str:
    """A text without the addresses that objects had in memory."""
    return re.sub("0x[0-9a-f]+", "0x", text, flags=re.IGNORECASE)


def shown(data: object) -> str:
    """The answer as it is sent, byte by byte; what is no JSON is named by its class."""
    return placed(json.dumps(data, default=lambda thing: type(thing).__name__))


def told(errors: Iterable[GraphQLError] | None) -> list[object]:
    """All that a client and a log see of errors."""
    return [
        (shown(error.formatted), type(error.original_error), placed(str(error.original_error)))
        for error in errors or ()
    ]


class Executors:
    """One schema on both executors.

    The compiling one runs each operation three times: before, while and after it compiles.
    """

    def __init__(
        self,
        query: type,
        *,
        mutation: type | None = None,
        subscription: type | None = None,
        extensions: tuple[Any, ...] = (),
        config: StrawberryConfig | None = None,
        build: Callable[..., Any] = strawberry.Schema,
        **options: Any,
    ) -> None:
        def schema(executor: type | None) -> Any:
            return build(
                query,
                mutation=mutation,
                subscription=subscription,
                extensions=[ParserCache, ValidationCache, *extensions],
                execution_context_class=executor,
                config=config,
                **options,
            )

        self.stock = schema(None)
        self.compiling = schema(CompilingExecutor)

    async def same(
        self, document: str, make_root: Callable[[], object] = lambda: None, **variables: object
    ) -> ExecutionResult:
        """The answer that both give; `make_root` makes the value of the root anew for each."""
        expected = await self.stock.execute(
            document, root_value=make_root(), variable_values=dict(variables)
        )
        for _ in range(3):
            result = await self.compiling.execute(
                document, root_value=make_root(), variable_values=dict(variables)
            )
            assert shown(result.data) == shown(expected.data)
            assert told(result.errors) == told(expected.errors)
        assert isinstance(expected, ExecutionResult)
        return expected

    def plans(self) -> Iterator[Plan]:
        documents = schema_plans(self.compiling._schema)._documents
        for document in documents.values():
            for plans in document._variants.values():
                yield from plans.values._plans.values()
                yield from plans.fields._plans.values()

    def compiled(self) -> set[str]:
        """The types of values and the fields for which there is a plan that works."""
        return {name(plan) for plan in self.plans() if plan.run and plan.credit == CREDIT}

    def called(self) -> set[str]:
        """The fields whose resolvers are called straight."""
        documents = schema_plans(self.compiling._schema)._documents
        return {
            name(plan)
            for document in documents.values()
            for plans in document._variants.values()
            for plan in plans.calls._plans.values()
            if plan.run
        }

    def failed(self) -> set[str]:
        """Those for which there is a plan that did not."""
        return {name(plan) for plan in self.plans() if plan.run and plan.credit != CREDIT}


def name(plan: Plan) -> str:
    """`Type` or `field:Type`."""
    type_, *nodes = plan.keeps
    return f"{nodes[0].name.value}:{type_}"  # type: ignore[attr-defined]
