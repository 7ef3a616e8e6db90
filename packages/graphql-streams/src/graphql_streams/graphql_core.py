"""Executes subscriptions with graphql-core."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from inspect import isawaitable
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationType,
    get_operation_ast,
    parse,
    subscribe,
    validate,
)

from .errors import BadRequest, OperationFailed
from .interfaces import Operation, Subscribe


def subscriptions(
    schema: GraphQLSchema,
    make_context: Callable[[Operation], Any] = lambda operation: operation,
    *,
    max_tokens: int = 1000,
) -> Subscribe:
    """Return what `Streams` needs to serve the subscriptions of a schema.

    `make_context` returns `info.context`, once for each operation; by default it is the operation.
    Messages of resolvers' exceptions are shown to clients, as graphql-core does. A document has at
    most `max_tokens` tokens.
    """

    async def events(operation: Operation) -> AsyncGenerator[ExecutionResult, None]:
        request = operation.request
        results = subscribe(
            schema,
            _document(schema, operation, max_tokens),
            context_value=make_context(operation),
            variable_values=request.variables,
            operation_name=request.operation_name,
        )
        if isawaitable(results):
            results = await results
        if isinstance(results, ExecutionResult):
            raise OperationFailed(results.errors or [])
        operation.started()
        try:
            async with aclosing(results) as events:  # type: ignore[type-var]
                async for result in events:
                    yield result
        except GraphQLError as error:
            raise OperationFailed([error]) from error

    return events


def _document(schema: GraphQLSchema, operation: Operation, max_tokens: int) -> DocumentNode:
    """Return the parsed document. Raises Refused if it is no valid subscription."""
    request = operation.request
    try:
        document = parse(request.query, max_tokens=max_tokens)
    except GraphQLError as error:
        raise OperationFailed([error]) from None
    if errors := validate(schema, document):
        raise OperationFailed(errors)
    found = get_operation_ast(document, request.operation_name)
    if found is None:
        raise BadRequest("`operationName` must name one operation of the document.")
    if found.operation is not OperationType.SUBSCRIPTION:
        raise BadRequest("Only subscriptions are served here.")
    return document
