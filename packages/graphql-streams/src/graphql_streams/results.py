"""Turns the results of `subscribe` into responses, and decides when each may be sent."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import orjson

from .connections import Connection
from .errors import GraphQLError, OperationFailed, StreamEnded
from .interfaces import Operation, Result, Subscribe


async def responses(
    subscribe: Subscribe, operation: Operation, connection: Connection
) -> AsyncGenerator[bytes, None]:
    """Yield the results as GraphQL responses, each at a moment when it may be sent.

    Raises StreamEnded, which ends the connection; OperationFailed; and what `subscribe` raises.
    """
    try:
        async with aclosing(subscribe(operation)) as results:
            async for result in results:
                found = result if isinstance(result, bytes) else response(result)
                await connection.permit()
                yield found
                # Other tasks get a turn even if the next event is ready already.
                await asyncio.sleep(0)
    except OperationFailed as failure:
        _raise_end(failure.errors)
        raise


def response(result: Result) -> bytes:
    """Return the result of an event as JSON.

    Raises StreamEnded, or OperationFailed for a result that ends the operation. Results that
    several subscriptions get need it only once.
    """
    errors = result.errors or ()
    _raise_end(errors)
    # Errors of an event have paths.
    if result.data is None and not any(error.path for error in errors):
        raise OperationFailed(errors)
    formatted: dict[str, Any] = {"data": result.data}
    if errors:
        formatted["errors"] = [dict(error.formatted) for error in errors]
    if result.extensions:
        formatted["extensions"] = result.extensions
    return encode(formatted)


def _raise_end(errors: Sequence[GraphQLError]) -> None:
    """Raise the exception of a resolver that ends the connection."""
    for error in errors:
        if isinstance(error.original_error, StreamEnded):
            raise error.original_error


def encode(value: object) -> bytes:
    """Return the value as JSON."""
    return orjson.dumps(value)
