"""Builds a federated Strawberry schema with Chirp's limits, caches and masked errors."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import structlog
from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.extensions import SchemaExtension
from strawberry.federation import Schema
from strawberry.printer import print_schema
from strawberry.types import ExecutionContext, ExecutionResult

from chassis.errors import ClientError
from chassis.graphql.compiled import CompilingExecutor
from chassis.graphql.documents import reading
from chassis.graphql.limits import Limits

INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"
_log = structlog.get_logger("chassis.graphql")


def is_internal(error: GraphQLError) -> bool:
    """Whether the error comes from our code failing, not from the request."""
    cause = error.original_error
    if cause is None or isinstance(cause, (ClientError, GraphQLError)):
        return False
    # A value that could not be coerced has a cause and a place in the document, but no path.
    return error.path is not None or not error.nodes


def mask(error: GraphQLError) -> GraphQLError:
    """The error as a client may see it: no inner message, always with a code."""
    if is_internal(error):
        return GraphQLError(
            "Something went wrong on our side.",
            nodes=error.nodes,
            source=error.source,
            positions=error.positions,
            path=error.path,
            extensions={"code": INTERNAL_SERVER_ERROR},
        )
    if not (error.extensions or {}).get("code"):
        syntax = isinstance(error, GraphQLSyntaxError)
        code = "GRAPHQL_PARSE_FAILED" if syntax else "GRAPHQL_VALIDATION_FAILED"
        error.extensions = {**(error.extensions or {}), "code": code}
    return error


def mask_all(result: object) -> None:
    """Masks the errors of a result, in their place."""
    if errors := getattr(result, "errors", None):
        result.errors = [mask(error) for error in errors]  # type: ignore[attr-defined]


class MaskedStreams(SchemaExtension):
    """Masks the errors of streamed results."""

    def on_stream_result(self, result: object) -> Iterator[None]:
        mask_all(result)
        yield


class SubgraphSchema(Schema):
    """Strawberry's federated schema that logs and masks what failed."""

    @cached_property
    def sdl(self) -> str:
        """The SDL with federation directives, as `_service` gives it."""
        return print_schema(self)

    async def execute(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        # Here and not in an extension: those do not see what fails while a document is parsed.
        result = await super().execute(*args, **kwargs)
        mask_all(result)
        return result

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        operation = execution_context and execution_context.operation_name
        for error in errors:
            if is_internal(error):
                _log.error(
                    "resolver failed",
                    path=error.path,
                    operation=operation,
                    exc_info=error.original_error,
                )


def build_schema(
    *,
    query: type,
    mutation: type | None = None,
    types: Iterable[type] = (),
    exception_handlers: Iterable[Any] = (),
    limits: Limits | None = None,
    introspection: bool = True,
) -> SubgraphSchema:
    """A federated schema.

    `exception_handlers` turn domain exceptions into members of result unions
    (strawberry.ExceptionHandler).
    """
    extensions: list[type[SchemaExtension] | Callable[[], SchemaExtension]] = [
        reading(limits or Limits(), introspection=introspection),
        MaskedStreams,
    ]
    return SubgraphSchema(
        query=query,
        mutation=mutation,
        types=types,
        extensions=extensions,
        execution_context_class=CompilingExecutor,
        exception_handlers=exception_handlers,
    )
