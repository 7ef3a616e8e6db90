"""Builds a federated Strawberry schema with limits, a document cache and masked errors."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal

import structlog
from graphql import DocumentNode, GraphQLError, GraphQLSyntaxError
from graphql.execution import Executor
from strawberry.exceptions import MissingQueryError
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.extensions import SchemaExtension
from strawberry.federation import Schema
from strawberry.printer import print_schema
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.schema.schema import (
    StrawberryGraphQLCoreExecutionContext,
    SubscriptionResult,
)
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from chassis.errors import (
    INTERNAL_SERVER_ERROR,
    PARSE_FAILED,
    VALIDATION_FAILED,
    BadRequest,
    BadUserInput,
    ClientError,
)
from chassis.graphql.documents import Documents, ReadDocument
from chassis.graphql.entities import entity_problems
from chassis.graphql.entries import entry_problems
from chassis.graphql.limits import Limits
from chassis.graphql.nodes import node_problems
from chassis.graphql.scalars import CONFIG
from chassis.graphql.scopes import scope_problems
from graphql_streams import Refused
from graphql_streams.strawberry import Started
from strawberry_compiled import CompilingExecutionContext

_log = structlog.get_logger("chassis.graphql")

_JSON = {"None": "null", "True": "true", "False": "false"}
_PYTHON_LITERAL = re.compile(r"\b(?:None|True|False)(?=\]*\.?$)")
"""A Python literal at the end of a message of graphql-core ("… got None."); clients sent JSON."""


Extension = type[SchemaExtension] | Callable[[], SchemaExtension]
ExecutorName = Literal["compiled", "stock"]

_WRONG_OPERATION = (InvalidOperationTypeError, CannotGetOperationTypeError)
"""The kind of operation is not served here, or the named operation does not exist."""


class SchemaError(Exception):
    """The schema cannot be served; the message has one line for each problem."""


def is_internal(error: GraphQLError) -> bool:
    """Return whether the error was caused by the server and not by the request."""
    cause = error.original_error
    if cause is None or isinstance(cause, (ClientError, Refused, *_WRONG_OPERATION)):
        return False
    if isinstance(cause, GraphQLError):
        # graphql-core raises an error without nodes if it cannot serialize a resolver's result.
        # An error with nodes is about the document; one with extensions is meant for the client.
        return error.path is not None and not cause.nodes and not cause.extensions
    # The client's fault is only an argument that could not be coerced: nodes, but no path.
    return error.path is not None or not error.nodes


def mask(error: GraphQLError) -> GraphQLError:
    """Return the error as the client may see it: with a code, and without an internal message.

    Sets the code of `error` in place if it is shown unchanged.
    """
    if is_internal(error):
        return GraphQLError(
            "Something went wrong on our side.",
            nodes=error.nodes,
            source=error.source,
            positions=error.positions,
            path=error.path,
            extensions={"code": INTERNAL_SERVER_ERROR},
        )
    # `execute` raises this error; only `subscribe` returns it in a result.
    if isinstance(error.original_error, InvalidOperationTypeError):
        return GraphQLError(
            "Only subscriptions are served here. "
            "Send queries and mutations by POST with Accept: application/json.",
            extensions={"code": BadRequest.code},
        )
    if not (error.extensions or {}).get("code"):
        classify(error, _code(error))
    return error


def classify(error: GraphQLError, code: str) -> None:
    """Set the code of an error of graphql-core; replace a Python literal in its message by JSON."""
    error.extensions = {**(error.extensions or {}), "code": code}
    error.message = _PYTHON_LITERAL.sub(lambda word: _JSON[word[0]], error.message)


def _code(error: GraphQLError) -> str:
    if isinstance(error, GraphQLSyntaxError):
        return PARSE_FAILED
    if isinstance(error.original_error, CannotGetOperationTypeError):
        return BadRequest.code
    # Nothing else is left. With a path, the error comes from execution, where graphql-core itself
    # reports only a variable that is invalid for an argument. Without one, it is from validation.
    return BadUserInput.code if error.path else VALIDATION_FAILED


def mask_all(result: object) -> None:
    """Mask the errors of a result in place."""
    if errors := getattr(result, "errors", None):
        result.errors = [mask(error) for error in errors]  # type: ignore[attr-defined]


class MaskedStreams(SchemaExtension):
    """Strawberry extension: masks the errors of streamed results."""

    def on_stream_result(self, result: object) -> Iterator[None]:
        mask_all(result)
        yield


class _ClassifyingExecutor(StrawberryGraphQLCoreExecutionContext):
    """Sets the code of invalid variables, which `_code` could not tell from validation errors."""

    @classmethod
    def build(cls, *args: Any, **kwargs: Any) -> Any:
        executor = super().build(*args, **kwargs)
        if isinstance(executor, list):
            for error in executor:
                if error.nodes:  # an error without nodes is a missing operation, not a variable
                    classify(error, BadUserInput.code)
        return executor


class CompilingExecutor(_ClassifyingExecutor, CompilingExecutionContext):
    """Runs code compiled from the selections of a document (packages/strawberry-compiled)."""


_EXECUTORS: Mapping[ExecutorName, type[_ClassifyingExecutor]] = {
    "compiled": CompilingExecutor,
    "stock": _ClassifyingExecutor,
}


class SubgraphSchema(Schema):
    """Strawberry's federated schema; logs and masks internal errors."""

    def __init__(
        self,
        documents: Documents,
        *,
        service: str | None = None,
        entries: Mapping[str, str] | None = None,
        extensions: Iterable[Extension] = (),
        executor: ExecutorName = "compiled",
        **options: Any,
    ) -> None:
        """`service` is the subgraph's name in `services.toml`; `options` are Strawberry's.

        `entries` as in `build_schema`.

        With more `extensions`, or directives, `execute` calls Strawberry's extension hooks, which
        double the cost of this schema per request (docs/performance.md). The three built-in
        extensions serve that path and subscriptions; `_execute` does their work itself.
        """
        extensions = [*extensions]
        super().__init__(
            extensions=[ReadDocument, MaskedStreams, Started, *extensions],
            execution_context_class=_EXECUTORS[executor],
            config=CONFIG,
            **options,
        )
        self.service = service
        self.entries = dict(entries or {})
        self.documents = documents
        self.needs_hooks = bool(extensions or self.directives)
        """Whether executions must call Strawberry's extension hooks."""

    @cached_property
    def sdl(self) -> str:
        """The SDL with federation directives, as `_service` returns it."""
        return print_schema(self)

    @property
    def classes(self) -> dict[str, type]:
        """The Python classes of the object types and interfaces, by their names in the schema."""
        types = self.schema_converter.type_map
        definitions = {name: type_.definition for name, type_ in types.items()}
        return {
            name: definition.origin
            for name, definition in definitions.items()
            if isinstance(definition, StrawberryObjectDefinition)
        }

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Execute a query or mutation and return its masked result."""
        execute = super().execute if self.needs_hooks else self._execute
        # The result is masked here, because extensions do not see errors of the parser.
        result = await execute(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            OperationType if allowed_operation_types is None else allowed_operation_types,
            operation_extensions,
        )
        mask_all(result)
        return result

    async def _execute(
        self,
        query: str | None,
        variables: dict[str, Any] | None,
        context: object,
        root: object,
        operation_name: str | None,
        allowed: Iterable[OperationType],
        operation_extensions: dict[str, Any] | None,
    ) -> ExecutionResult:
        """Do what Strawberry's `execute` does, without calling extension hooks."""
        if not query:
            raise MissingQueryError
        try:
            document = self.documents.read(self._schema, query)
        except Exception as error:
            return _failed(error, operation_name)
        # A kind of operation that is not allowed takes precedence over invalid documents.
        errors = document.admit(operation_name, variables, context)
        document.require(operation_name, allowed)
        if errors:
            return PreExecutionError(None, errors)
        name = operation_name or document.first
        try:
            executor = self.executor(
                document.node, root, context, variables, operation_name, operation_extensions
            )
            if isinstance(executor, list):
                return ExecutionResult(None, executor)
            result: Any = executor.execute_operation()
            if executor.is_awaitable(result):
                result = await result
        except Exception as error:
            return _failed(error, name)
        if result.errors:
            log_failures(result.errors, name)
        return ExecutionResult(result.data, result.errors)

    def executor(
        self,
        document: DocumentNode,
        root: object,
        context: object,
        variables: dict[str, Any] | None,
        operation_name: str | None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> Executor[Any] | list[GraphQLError]:
        """Return the executor of an operation, or the errors of its variables."""
        return self.execution_context_class.build(
            self._schema,
            document,
            root,
            context,
            variables,
            operation_name,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
            operation_extensions=operation_extensions,
        )

    def execute_sync(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        """Execute by Strawberry's own pipeline and return the masked result."""
        result = super().execute_sync(*args, **kwargs)
        mask_all(result)
        return result

    async def subscribe(self, *args: Any, **kwargs: Any) -> SubscriptionResult:
        """Return the masked results of a subscription; another operation yields an error."""
        return _with_syntax_errors(await super().subscribe(*args, **kwargs))

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log errors; Strawberry calls this."""
        log_failures(errors, execution_context.operation_name if execution_context else None)


async def _with_syntax_errors(results: SubscriptionResult) -> SubscriptionResult:
    try:
        async with aclosing(results):
            async for result in results:
                yield result
    except GraphQLError as error:  # a syntax error, which Strawberry does not handle here
        yield PreExecutionError(data=None, errors=[mask(error)])


def _failed(error: Exception, operation_name: str | None) -> ExecutionResult:
    if not isinstance(error, GraphQLError):
        error = GraphQLError(str(error), original_error=error)
        log_failures([error], operation_name)
    return PreExecutionError(None, [error])


def log_failures(errors: Iterable[GraphQLError], operation_name: str | None) -> None:
    """Log the errors that the server caused."""
    for error in errors:
        if is_internal(error):
            _log.error(
                "resolver failed",
                path=error.path,
                operation=operation_name,
                exc_info=error.original_error,
            )


def build_schema(
    service: str | None = None,
    *,
    query: type | None = None,
    mutation: type | None = None,
    subscription: type | None = None,
    types: Iterable[type] = (),
    scopes: type[StrEnum] | None = None,
    entries: Mapping[str, str] | None = None,
    exception_handlers: Iterable[Any] = (),
    extensions: Iterable[Extension] = (),
    limits: Limits | None = None,
    introspection: bool = True,
    executor: ExecutorName = "compiled",
) -> SubgraphSchema:
    """Return a federated schema.

    `service` is the subgraph's name in `services.toml`; the constants of the enum `scopes` must be
    its declared scopes. `types` are types that no field refers to, including members of unions.
    `entries` maps a subscription field to the query field that returns one of its events, or null
    if it exists no more. With it, the subscription may select fields of other subgraphs. The
    arguments of the query field are fields of the event.
    `exception_handlers` convert domain exceptions into members of result unions
    (strawberry.ExceptionHandler). `executor` selects the compiling executor
    (packages/strawberry-compiled) or Strawberry's own; both return the same results.

    Raises SchemaError for an entity that the router can request but that cannot be resolved, for an
    entry that does not fit its subscription, for a scope that is checked but not declared or
    declared but not checked, and for a type of `nodes` that implements no Node or the reverse;
    TopologyError for an undeclared `service`.
    """
    schema = SubgraphSchema(
        Documents(limits or Limits(), introspection=introspection),
        service=service,
        entries=entries,
        query=query,
        mutation=mutation,
        subscription=subscription,
        types=types,
        extensions=extensions,
        exception_handlers=exception_handlers,
        executor=executor,
    )
    problems = [
        *entity_problems(schema.sdl, schema.classes),
        *entry_problems(schema._schema, schema.entries),  # noqa: SLF001
    ]
    if service is not None:
        problems += [*scope_problems(service, scopes), *node_problems(service, schema.classes)]
    if problems:
        raise SchemaError("\n".join(problems))
    return schema
