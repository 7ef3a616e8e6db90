"""Executes the subscriptions of a schema for graphql-streams."""

from collections.abc import AsyncGenerator, AsyncIterable, Coroutine
from contextlib import aclosing, suppress
from types import CoroutineType
from typing import Any

from graphql import ExecutionResult, GraphQLError, GraphQLSyntaxError
from graphql.execution import create_source_event_stream
from starlette.requests import HTTPConnection
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from chassis.graphql.context import RequestContext
from chassis.graphql.documents import Document
from chassis.graphql.schema import SubgraphSchema, log_failures, mask
from chassis.graphql.selections import Outcome, Selection, Selections, as_graphql_error
from chassis.graphql.shared_context import MakeContext, shared_context
from chassis.graphql.viewers import viewer_of
from graphql_streams import (
    GraphQLRequest,
    Operation,
    OperationFailed,
    Reads,
    Refused,
    SharedEvent,
    SharedSource,
    Subscribe,
)
from graphql_streams.strawberry import subscriptions as executed_by_strawberry


def subscriptions(schema: SubgraphSchema, make_context: MakeContext) -> Subscribe:
    """Return what graphql-streams needs to serve the subscriptions of a schema.

    `make_context` is called for each operation, and for each execution of an event that several
    operations get.
    """

    if schema.needs_hooks:
        return executed_by_strawberry(
            schema,
            lambda operation: make_context(
                HTTPConnection(operation.handshake.scope), operation.caller.value
            ),
        )
    selections = Selections(schema)

    async def results(operation: Operation) -> AsyncGenerator[bytes, None]:
        source, outcomes = await _started(schema, selections, operation, make_context)
        operation.started()
        try:
            async with aclosing(source), aclosing(outcomes):
                async for outcome in outcomes:
                    yield _response(outcome)
        except Refused:
            raise
        except Exception as error:  # of the source
            name = operation.request.operation_name
            raise _failure([as_graphql_error(error)], name) from error

    return results


async def _started(
    schema: SubgraphSchema, selections: Selections, operation: Operation, make_context: MakeContext
) -> tuple[Any, AsyncGenerator[Outcome, None]]:
    """Return the source of the operation's events, and the outcomes of its selection of them.

    Raises OperationFailed.
    """
    request, name = operation.request, operation.request.operation_name
    context = make_context(HTTPConnection(operation.handshake.scope), operation.caller.value)
    document = _admitted(schema, request, context)
    executor = schema.executor(
        document.node, None, context, request.variables, name, request.extensions
    )
    if isinstance(executor, list):
        raise _failure(executor, name)
    source: Any = create_source_event_stream(executor)
    if executor.is_awaitable(source):
        source = await source
    if isinstance(source, ExecutionResult):
        raise _failure(source.errors or [], name)
    if isinstance(source, SharedSource):
        selection = selections.of(request.query, document, name, request.variables)
        return source, _shared(source, _Viewed(selection, operation, make_context))
    return source, _unshared(source, Selection(executor, name, context.operation), context)


def _response(outcome: Outcome) -> bytes:
    if isinstance(outcome, Refused):
        raise outcome
    return outcome


def _admitted(schema: SubgraphSchema, request: GraphQLRequest, context: RequestContext) -> Document:
    """Return the document of a valid subscription. Raises OperationFailed."""
    name = request.operation_name
    try:
        document = schema.documents.read(schema._schema, request.query, streamed=True)  # noqa: SLF001
        errors = document.admit(name, request.variables, context)
        document.require(name, (OperationType.SUBSCRIPTION,))
    except CannotGetOperationTypeError as error:
        problem = GraphQLError(error.as_http_error_reason(), original_error=error)
        raise _failure([problem], name) from error
    except (GraphQLSyntaxError, InvalidOperationTypeError) as error:
        raise _failure([as_graphql_error(error)], name) from error
    if errors:
        raise _failure(errors, name)
    return document


def _failure(errors: list[GraphQLError], operation_name: str | None) -> OperationFailed:
    log_failures(errors, operation_name)
    return OperationFailed([mask(error) for error in errors])


async def _unshared(
    source: AsyncIterable[object], selection: Selection, context: RequestContext
) -> AsyncGenerator[Outcome, None]:
    async for event in source:
        yield await _settled(selection.execute(event, context))


class _Viewed:
    """A selection with the caller for whom it is executed."""

    __slots__ = ("_make_context", "_operation", "_selection", "_viewer")

    def __init__(
        self, selection: Selection, operation: Operation, make_context: MakeContext
    ) -> None:
        self._selection = selection
        self._operation = operation
        self._make_context = make_context
        self._viewer = viewer_of(operation.caller.value, self)

    def outcome(self, event: SharedEvent[object]) -> Outcome | Coroutine[Any, Any, Outcome]:
        return event.result(self._selection, self._viewer, self._execute)

    def _execute(self, value: object, reads: Reads) -> Outcome | Coroutine[Any, Any, Outcome]:
        caller, handshake = self._operation.caller, self._operation.handshake
        context = shared_context(self._make_context, handshake.scope, caller.value, reads)
        context.operation = self._selection.root
        return self._selection.execute(value, context)

    def deliver(self, event: SharedEvent[object]) -> bool:
        """Send the response at once. Returns False where its task has to do it."""
        outcome = self.outcome(event)
        if isinstance(outcome, CoroutineType):
            outcome.close()
            return False
        return isinstance(outcome, bytes) and self._operation.offer(outcome)


async def _shared(
    source: SharedSource[Any, object], viewed: _Viewed
) -> AsyncGenerator[Outcome, None]:
    source.attach(viewed.deliver)
    with suppress(StopAsyncIteration):
        while True:
            yield await _settled(viewed.outcome(await source.event()))


async def _settled(outcome: Outcome | Coroutine[Any, Any, Outcome]) -> Outcome:
    return await outcome if isinstance(outcome, Coroutine) else outcome
