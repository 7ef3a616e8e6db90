"""Runs an operation on the stock and on the compiling executor and demands the same answer.

For the tests of this package, and to try a schema of your own.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionResult

from .context import CompilingExecutionContext
from .plans import CREDIT, Plan, Plans, schema_plans


def without_addresses(text: str) -> str:
    """Return a text without the addresses that objects had in memory."""
    return re.sub("0x[0-9a-f]+", "0x", text, flags=re.IGNORECASE)


def encoded(data: object) -> str:
    """Return the answer as it is sent, byte by byte; what JSON lacks is named by its class."""
    return without_addresses(json.dumps(data, default=lambda thing: type(thing).__name__))


def reported(errors: Iterable[GraphQLError] | None) -> list[object]:
    """Return all that a client and a log see of errors."""
    return [
        (
            encoded(error.formatted),
            type(error.original_error),
            without_addresses(str(error.original_error)),
        )
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
        """`build` makes the schema; `options` are its other arguments."""

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
        self.compiling = schema(CompilingExecutionContext)

    async def same(
        self, document: str, make_root: Callable[[], object] = lambda: None, **variables: object
    ) -> ExecutionResult:
        """Return the answer that both give. `make_root` makes the root value anew for each run.

        Raises AssertionError where they differ.
        """
        expected = await self.stock.execute(
            document, root_value=make_root(), variable_values=dict(variables)
        )
        for _ in range(3):
            result = await self.compiling.execute(
                document, root_value=make_root(), variable_values=dict(variables)
            )
            if encoded(result.data) != encoded(expected.data):
                raise AssertionError(f"{encoded(result.data)} != {encoded(expected.data)}")
            if reported(result.errors) != reported(expected.errors):
                raise AssertionError(f"{reported(result.errors)} != {reported(expected.errors)}")
        if not isinstance(expected, ExecutionResult):
            raise TypeError(f"{type(expected)} is not the result of a single execution")
        return expected

    def plans(self) -> Iterator[Plan]:
        """Yield the plans for values and for fields that are data."""
        for plans in self._variants():
            yield from plans.values.plans.values()
            yield from plans.attributes.plans.values()

    def compiled(self) -> set[str]:
        """Return the values and the data fields that have a working plan, as `field:Type`."""
        return {name(plan) for plan in self.plans() if plan.run and plan.credit == CREDIT}

    def failed(self) -> set[str]:
        """Return those whose plan failed at its last use."""
        return {name(plan) for plan in self.plans() if plan.run and plan.credit != CREDIT}

    def called(self) -> set[str]:
        """Return the fields whose resolvers are called directly."""
        return {
            name(plan)
            for plans in self._variants()
            for plan in plans.calls.plans.values()
            if plan.run
        }

    def _variants(self) -> Iterator[Plans]:
        for document in schema_plans(self.compiling._schema):  # noqa: SLF001
            yield from document.variants()


def name(plan: Plan) -> str:
    """Return `field:Type`."""
    type_, *nodes = plan.keeps
    return f"{nodes[0].name.value}:{type_}"  # type: ignore[attr-defined]
