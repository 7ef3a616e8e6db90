"""Formats the results of a subscription, and says which of them end it."""

from collections.abc import Iterable
from typing import Any

import orjson
from graphql import GraphQLError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from chassis.errors import INTERNAL_SERVER_ERROR, ClientError, StreamEnded

INTERNAL_ERROR = {
    "message": "Something went wrong on our side.",
    "extensions": {"code": INTERNAL_SERVER_ERROR},
}


def end_of(result: ExecutionResult) -> StreamEnded | None:
    """What ends the connection with this result, if it is more than the operation that ends."""
    for error in result.errors or ():
        if isinstance(error.original_error, StreamEnded):
            return error.original_error
    return None


def is_failure(result: ExecutionResult) -> bool:
    """Whether the operation has ended by an error, or never began; an event's errors have paths."""
    return isinstance(result, PreExecutionError) or (
        result.data is None and not any(error.path for error in result.errors or ())
    )


def payload(result: ExecutionResult) -> dict[str, Any]:
    """The result as GraphQL has it in a response."""
    formatted: dict[str, Any] = {"data": result.data}
    if result.errors:
        formatted["errors"] = format_errors(result.errors)
    if result.extensions:
        formatted["extensions"] = result.extensions
    return formatted


def format_errors(errors: Iterable[GraphQLError] | None) -> list[dict[str, Any]]:
    return [dict(error.formatted) for error in errors or ()]


def format_error(error: ClientError) -> dict[str, Any]:
    return {"message": str(error), "extensions": error.extensions}


def encode(value: object) -> bytes:
    return orjson.dumps(value)
