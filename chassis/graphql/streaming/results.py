"""Formats the results of a subscription and recognises those that end it."""

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
    """Return the error that ends the whole connection with this result, or None."""
    for error in result.errors or ():
        if isinstance(error.original_error, StreamEnded):
            return error.original_error
    return None


def is_failure(result: ExecutionResult) -> bool:
    """Return whether the operation has failed or never started; errors of an event have paths."""
    return isinstance(result, PreExecutionError) or (
        result.data is None and not any(error.path for error in result.errors or ())
    )


def payload(result: ExecutionResult) -> dict[str, Any]:
    """Return the result in the form of a GraphQL response."""
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
