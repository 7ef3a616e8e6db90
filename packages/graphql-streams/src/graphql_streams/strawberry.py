"""Executes subscriptions with Strawberry."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Any

from graphql import GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.schema import BaseSchema
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from .errors import BadRequest, OperationFailed
from .interfaces import Operation, Subscribe

_STARTED = "graphql_streams.started"


class Started(SchemaExtension):
    """Strawberry extension: opens an HTTP stream when its subscription has started.

    Without it the client gets no byte before the first event.
    """

    def on_execute(self) -> Iterator[None]:
        yield
        started = (self.execution_context.operation_extensions or {}).get(_STARTED)
        if callable(started):  # a client may send this key with a JSON value
            started()


def subscriptions(
    schema: BaseSchema, make_context: Callable[[Operation], Any] = lambda operation: operation
) -> Subscribe:
    """Return what `Streams` needs to serve the subscriptions of a schema.

    `make_context` returns `info.context`, once for each operation; by default it is the operation.
    Messages of resolvers' exceptions are shown to clients unless the schema masks them.
    """

    async def events(operation: Operation) -> AsyncGenerator[ExecutionResult, None]:
        request = operation.request
        try:
            results = await schema.subscribe(
                request.query,
                variable_values=request.variables,
                context_value=make_context(operation),
                operation_name=request.operation_name,
                operation_extensions={**(request.extensions or {}), _STARTED: operation.started},
            )
            async with aclosing(results) as events:
                async for result in events:
                    if isinstance(result, PreExecutionError):
                        raise OperationFailed(result.errors or [])
                    yield result
        except InvalidOperationTypeError as error:  # some versions raise it
            raise BadRequest("Only subscriptions are served here.") from error
        except GraphQLError as error:  # a syntax error that `ParserCache` raises
            raise OperationFailed([error]) from error

    return events
