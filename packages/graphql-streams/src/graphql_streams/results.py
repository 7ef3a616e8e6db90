"""Turns the results of `subscribe` into payloads, and decides when each may be sent."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import orjson

from .connections import Connection
from .errors import GraphQLError, OperationFailed, StreamEnded
from .interfaces import Operation, Result, Subscribe


async def payloads(
    subscribe: Subscribe, operation: Operation, connection: Connection
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the results as GraphQL responses, each at a moment when it may be sent.

    Raises StreamEnded, which ends the connection; OperationFailed; and what `subscribe` raises.
    """
    try:
        async with aclosing(subscribe(operation)) as results:
            async for result in results:
                _raise_failure(result)
                await connection.permit()
                yield _payload(result)
                # Other tasks get a turn even if the next event is ready already.
                await asyncio.sleep(0)
    except OperationFailed as failure:
        _raise_end(failure.errors)
        raise


def _raise_failure(result: Result) -> None:
    """Raise what ends the operation or the connection; errors of an event have paths."""
    errors = result.errors or ()
    _raise_end(errors)
    if result.data is None and not any(error.path for error in errors):
        raise OperationFailed(errors)


def _raise_end(errors: Sequence[GraphQLError]) -> None:
    """Raise the exception of a resolver that ends the connection."""
    for error in errors:
        if isinstance(error.original_error, StreamEnded):
            raise error.original_error


def _payload(result: Result) -> dict[str, Any]:
    formatted: dict[str, Any] = {"data": result.data}
    if result.errors:
        formatted["errors"] = [dict(error.formatted) for error in result.errors]
    if result.extensions:
        formatted["extensions"] = result.extensions
    return formatted


def encode(value: object) -> bytes:
    """Return the value as JSON."""
    return orjson.dumps(value)
