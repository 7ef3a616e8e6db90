"""Executes the subscriptions of a schema for graphql-streams."""

from collections.abc import AsyncGenerator, AsyncIterable, Coroutine
from contextlib import aclosing, suppress
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Protocol, cast

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
    response,
)
from graphql_streams.strawberry import subscriptions as executed_by_strawberry

if TYPE_CHECKING:
    from chassis.graphql.completion import Completion  # needs packages that few services have
    from chassis.principal import Principal


class LocalSubscribe(Protocol):
    """Executes the subscriptions of a subgraph."""

    def __call__(
        self, operation: Operation, completion: "Completion | None" = None, /
    ) -> AsyncGenerator[bytes, None]:
        """Yield the responses; each result is completed before."""


def subscriptions(schema: SubgraphSchema, make_context: MakeContext) -> LocalSubscribe:
    """Return what graphql-streams needs to serve the subscriptions of a schema.

    `make_context` is called for each operation, and for each execution of an event that several
    operations get.
    """

    if schema.needs_hooks:
        return _with_hooks(schema, make_context)
    selections = Selections(schema)

    async def responses(
        operation: Operation, completion: "Completion | None" = None
    ) -> AsyncGenerator[bytes, None]:
        source, outcomes = await _started(schema, selections, operation, make_context, completion)
        operation.started()
        try:
            async with aclosing(source), aclosing(outcomes):
                async for outcome in outcomes:
                    if outcome is not None:
                        yield _response(outcome)
        except Refused:
            raise
        except Exception as error:  # of the source
            name = operation.request.operation_name
            raise _failure([as_graphql_error(error)], name) from error

    return responses


def _with_hooks(schema: SubgraphSchema, make_context: MakeContext) -> LocalSubscribe:
    """Return what executes each subscription by Strawberry, which calls its extensions' hooks."""
    subscribe = executed_by_strawberry(schema, lambda operation: _context(make_context, operation))

    async def responses(
        operation: Operation, completion: "Completion | None" = None
    ) -> AsyncGenerator[bytes, None]:
        async with aclosing(subscribe(operation)) as results:
            result: Any
            async for result in results:
                completed = await completion.complete(result) if completion else result
                if completed is not None:
                    yield response(completed)

    return responses


def _context(make_context: MakeContext, operation: Operation) -> RequestContext:
    return make_context(HTTPConnection(operation.handshake.scope), operation.caller.value)


async def _started(
    schema: SubgraphSchema,
    selections: Selections,
    operation: Operation,
    make_context: MakeContext,
    completion: "Completion | None",
) -> tuple[Any, AsyncGenerator[Outcome, None]]:
    """Return the source of the operation's events, and the outcomes of its selection of them.

    Raises OperationFailed.
    """
    request, name = operation.request, operation.request.operation_name
    context = _context(make_context, operation)
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
        selection = selections.of(
            request.query, document, name, request.variables, completion and completion.key
        )
        return source, _shared(source, _Viewed(selection, operation, make_context, completion))
    selection = Selection(executor, name, context.operation)
    return source, _unshared(source, selection, context, completion)


def _response(outcome: bytes | Refused) -> bytes:
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
    source: AsyncIterable[object],
    selection: Selection,
    context: RequestContext,
    completion: "Completion | None",
) -> AsyncGenerator[Outcome, None]:
    async for event in source:
        yield await _settled(selection.execute(event, context, completion))


class _Viewed:
    """A selection with the caller for whom it is executed."""

    __slots__ = ("_completion", "_make_context", "_operation", "_selection", "_viewer")

    def __init__(
        self,
        selection: Selection,
        operation: Operation,
        make_context: MakeContext,
        completion: "Completion | None",
    ) -> None:
        self._selection = selection
        self._operation = operation
        self._make_context = make_context
        self._completion = completion
        self._viewer = viewer_of(operation.caller.value, operation.handshake.headers, self)

    def outcome(self, event: SharedEvent[object]) -> Outcome | Coroutine[Any, Any, Outcome]:
        return event.result(self._selection, self._viewer, self._execute)

    def _execute(self, value: object, reads: Reads) -> Outcome | Coroutine[Any, Any, Outcome]:
        caller, handshake = self._operation.caller, self._operation.handshake
        context = shared_context(self._make_context, handshake.scope, caller.value, reads)
        context.operation = self._selection.root
        completion = self._completion and self._completion.by(cast("Principal", context.principal))
        return self._selection.execute(value, context, completion)

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
