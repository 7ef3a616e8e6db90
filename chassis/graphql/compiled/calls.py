"""A field with a resolver, executed without asking anew what it is."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from graphql import GraphQLObjectType, GraphQLResolveInfo
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path

from .plans import STOCK
from .resolvers import Resolver, Unusual
from .selection import check_selection
from .types import NotData

if TYPE_CHECKING:
    from .executor import CompilingExecutor


def compile_call(
    executor: "CompilingExecutor", parent: GraphQLObjectType, selection: FieldDetailsList
) -> "Call | None":
    """None where only the stock executor knows what to do."""
    try:
        return Call(executor, parent, selection)
    except Exception:  # whatever it is: the stock executor meets it again
        return None


class Call:
    """One field of an operation, called for each object that has it."""

    __slots__ = ("_definition", "_nodes", "_parent", "_resolver", "_selection")

    def __init__(
        self,
        executor: "CompilingExecutor",
        parent: GraphQLObjectType,
        selection: FieldDetailsList,
    ) -> None:
        """Raises NotData."""
        check_selection(selection)
        self._parent = parent
        self._selection = selection
        self._nodes = [details.node for details in selection]
        definition = executor.schema.get_field(parent, self._nodes[0].name.value)
        if definition is None:
            raise NotData
        self._definition = definition
        self._resolver = Resolver(executor.schema, definition, self._nodes[0])

    def __call__(self, executor: "CompilingExecutor", source: Any, path: Path) -> Any:
        """The completed value, an awaitable of it, or STOCK before anything was called.

        Raises what is to spread to the parent.
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
            return self._failed(executor, path, error)
        if executor.is_awaitable(completed):
            return self._awaited_completion(executor, path, completed)
        return completed

    def _completed_later(
        self,
        executor: "CompilingExecutor",
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Awaitable[Any],
    ) -> Awaitable[Any]:
        return executor.complete_awaitable_value(
            self._definition.type, self._selection, info, path, result, None
        )

    async def _awaited_completion(
        self, executor: "CompilingExecutor", path: Path, completed: Awaitable[Any]
    ) -> Any:
        try:
            return await completed
        except Exception as error:
            return self._failed(executor, path, error)

    def _failed(self, executor: "CompilingExecutor", path: Path, error: Exception) -> None:
        executor.handle_field_error(error, self._definition.type, self._selection, path)
