"""What a client asks to be streamed, and what it is to be told about each result."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import GraphQLError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from chassis.errors import BadUserInput, ClientError, StreamEnded
from chassis.graphql.schema import INTERNAL_SERVER_ERROR

INTERNAL_ERROR = {
    "message": "Something went wrong on our side.",
    "extensions": {"code": INTERNAL_SERVER_ERROR},
}


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """A GraphQL request as it came in JSON."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None

    @classmethod
    def parse(cls, body: object) -> "StreamRequest":
        """Raises BadUserInput, which says what is wrong."""
        if not isinstance(body, dict):
            raise BadUserInput("A GraphQL request is a JSON object.")
        query, variables = body.get("query"), body.get("variables")
        name = body.get("operationName")
        if not isinstance(query, str) or not query:
            raise BadUserInput("The `query` of a GraphQL request is a string.")
        if not isinstance(variables, dict | None):
            raise BadUserInput("The `variables` of a GraphQL request are an object.")
        if not isinstance(name, str | None):
            raise BadUserInput("The `operationName` of a GraphQL request is a string.")
        return cls(query, variables, name or None)


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
