"""Executes a field that has a resolver, without inspecting the field again."""

from collections.abc import Awaitable
from typing import Any

from graphql import GraphQLObjectType, GraphQLResolveInfo
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path

from .inputs import Conversions
from .recognition import STOCK, NotData
from .resolvers import Resolver, Unusual
from .writer import check_selection


class Call:
    """One field of an operation, called for each object that has it."""

    __slots__ = ("_definition", "_nodes", "_parent", "_resolver", "_selection")

    def __init__(
        self,
        executor: Executor[Any],
        parent: GraphQLObjectType,
        selection: FieldDetailsList,
        conversions: Conversions | None = None,
    ) -> None:
        """Raises NotData."""
        check_selection(selection)
        self._parent = parent
        self._selection = selection
        self._nodes = [details.node for details in selection]
        definition = executor.schema.get_field(parent, self._nodes[0].name.value)
        if definition is None:
            raise NotData("it is not in the schema")
        self._definition = definition
        self._resolver = Resolver(executor.schema, definition, self._nodes[0], conversions)

    def __call__(self, executor: Executor[Any], source: Any, path: Path) -> Any:
        """Return the completed value, an awaitable of it, or STOCK before anything was called.

        Raises what propagates to the parent.
        """
        try:
            values = self._resolver.values(executor.variable_values.coerced)
        except Unusual:
            return STOCK
        info = executor.build_resolve_info(self._definition, self._nodes.copy(), self._parent, path)
        if self._resolver.is_async:
            result = self._resolver.call_later(source, info, values, executor.is_awaitable)
            return self._completed_later(executor, info, path, result)
        try:
            result = self._resolver.call(source, info, values)
            if executor.is_awaitable(result):
                return self._completed_later(executor, info, path, result)
            completed = executor.complete_value(
                self._definition.type, self._selection, info, path, result, None
            )
        except Exception as error:
            return self._handle_error(executor, path, error)
        if executor.is_awaitable(completed):
            return self._await_completion(executor, path, completed)
        return completed

    def _completed_later(
        self,
        executor: Executor[Any],
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Awaitable[Any],
    ) -> Awaitable[Any]:
        return executor.complete_awaitable_value(
            self._definition.type, self._selection, info, path, result, None
        )

    async def _await_completion(
        self, executor: Executor[Any], path: Path, completed: Awaitable[Any]
    ) -> Any:
        try:
            return await completed
        except Exception as error:
            return self._handle_error(executor, path, error)

    def _handle_error(self, executor: Executor[Any], path: Path, error: Exception) -> None:
        executor.handle_field_error(error, self._definition.type, self._selection, path)
