"""What subscriptions select of their events, and the results of it as responses.

Subscriptions with the same text and variables have one selection, so that an event that several of
them get is executed once (docs/adr/0031).
"""

from collections import Counter
from collections.abc import Awaitable, Coroutine, Hashable, Mapping
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakValueDictionary

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    NonNullTypeNode,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    get_operation_ast,
    is_non_null_type,
    visit,
)
from graphql.execution import Executor

from chassis.graphql.context import RequestContext
from chassis.graphql.documents import Document
from chassis.graphql.schema import SubgraphSchema, log_failures, mask, mask_all
from graphql_streams import OperationFailed, Refused, Result, Work, response

if TYPE_CHECKING:  # only services with subscriptions have its packages
    from chassis.graphql.completion import Completion

Outcome = bytes | Refused | None
"""The response to an event, or the exception that ends the operation or its connection. None for an
event whose object exists no more."""


class Selection(Work):
    """What an operation selects of an event, with the variables that it uses for that."""

    def __init__(self, executor: Executor[Any], operation_name: str | None, root: str) -> None:
        """`executor` has the variables and no context; `root` is the name of the root field."""
        self.root = root
        self._executor = executor
        self._operation_name = operation_name

    def execute(
        self, value: object, context: RequestContext, completion: "Completion | None" = None
    ) -> Outcome | Coroutine[Any, Any, Outcome]:
        """Execute the selection of an event with this value. Logs and masks failures."""
        executor = self._executor.build_per_event_executor(value)
        executor.context_value = context
        try:
            result: Any = executor.execute_operation(False)
            if executor.is_awaitable(result):
                return self._complete(result, completion)
            if completion:
                return self._complete(_ready(result), completion)
            return self._response(result)
        except Exception as error:
            return self._failed(error)

    async def _complete(
        self, execution: Awaitable[Any], completion: "Completion | None"
    ) -> Outcome:
        try:
            result = await execution
            if completion is None:
                return self._response(result)
            self._finish(result)
            completed = await completion.complete(result)
            return None if completed is None else _response(completed)
        except Exception as error:
            return self._failed(error)

    def _response(self, result: Any) -> Outcome:
        self._finish(result)
        return _response(result)

    def _finish(self, result: Any) -> None:
        if result.errors:
            log_failures(result.errors, self._operation_name)
            mask_all(result)

    def _failed(self, error: Exception) -> Outcome:
        problem = as_graphql_error(error)
        log_failures([problem], self._operation_name)
        return OperationFailed([mask(problem)])


def _response(result: Result) -> Outcome:
    try:
        return response(result)
    except Refused as refused:
        return refused


async def _ready(result: Any) -> Any:
    return result


class Selections:
    """The selections of the open subscriptions of a schema."""

    def __init__(self, schema: SubgraphSchema) -> None:
        self._schema = schema
        self._open: WeakValueDictionary[tuple[Any, ...], Selection] = WeakValueDictionary()

    def of(
        self,
        text: str,
        document: Document,
        operation_name: str | None,
        variables: Mapping[str, Any] | None,
        completion: Hashable = None,
    ) -> Selection:
        """Return the selection of an operation whose variables are valid.

        `completion` is the key of its completion, if it has one.
        """
        used = _used(self._schema._schema, document.node, operation_name, variables or {})  # noqa: SLF001
        key = (completion, text, operation_name, orjson.dumps(used, option=orjson.OPT_SORT_KEYS))
        selection = self._open.get(key)
        if selection is None:
            executor = self._schema.executor(document.node, None, None, used, operation_name)
            if isinstance(executor, list):
                raise OperationFailed(executor)
            root = document.roots.get(operation_name, "")
            selection = self._open[key] = Selection(executor, operation_name, root)
        return selection


def as_graphql_error(error: Exception) -> GraphQLError:
    """Return the error, or an error of GraphQL that holds the exception."""
    if isinstance(error, GraphQLError):
        return error
    return GraphQLError(str(error), original_error=error)


class _Uses(Visitor):
    """Counts the uses of each variable."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def enter_variable_definition(self, *_: Any) -> Any:
        return self.SKIP

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.counts[node.name.value] += 1


def _used(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation_name: str | None,
    variables: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the variables on which the result of an event may depend.

    Arguments of the root field matter to the source of the events only: subscriptions that resume
    after different cursors have the same results. Where such an argument or its variable must not
    be null, the variable stays, because the executor coerces the arguments for each event.
    """
    operation = cast("OperationDefinitionNode", get_operation_ast(document, operation_name))
    uses = _Uses()
    visit(document, uses)
    uses.counts.subtract(_optional_in_root(schema, operation))
    declared = {part.variable.name.value: part for part in operation.variable_definitions or ()}
    return {
        name: value
        for name, value in variables.items()
        if name in declared
        and (uses.counts[name] > 0 or isinstance(declared[name].type, NonNullTypeNode))
    }


def _optional_in_root(schema: GraphQLSchema, operation: OperationDefinitionNode) -> Counter[str]:
    """Return the variables that are the value of an optional argument of the root field."""
    fields = schema.subscription_type.fields if schema.subscription_type else {}
    return Counter(
        argument.value.name.value
        for field in operation.selection_set.selections
        if isinstance(field, FieldNode) and field.name.value in fields
        for argument in field.arguments or ()
        if isinstance(argument.value, VariableNode)
        and not is_non_null_type(fields[field.name.value].args[argument.name.value].type)
    )
