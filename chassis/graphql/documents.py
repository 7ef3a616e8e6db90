"""Parses and validates each document once, and caches valid ones by their text."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    specified_rules,
)
from graphql.validation import ASTValidationRule, NoSchemaIntrospectionCustomRule
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.schema.schema import validate_document
from strawberry.types.graphql import OperationType

from chassis.errors import LIMIT_EXCEEDED, PARSE_FAILED
from chassis.graphql.context import RequestContext
from chassis.graphql.fragments import fragments_of
from chassis.graphql.limits import (
    Limits,
    OperationSize,
    operation_limits,
    operation_sizes,
    request_excess,
)

SEVERAL = "several"
UNKNOWN = "unknown"
CACHE_SIZE = 128
"""Documents in the cache; the executor caches plans for as many."""

LONGEST_CACHED = 4096
"""Characters of a document that is cached: parsed, it takes a hundred times as much memory."""


_TOO_MANY_TOKENS = "Document contains more than"
"""The beginning of graphql-core's message."""


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document, with what execution needs to know of its operations."""

    node: DocumentNode
    errors: list[GraphQLError]
    """The validation errors."""
    operations: dict[str | None, OperationType]
    """The operation types by name; None stands for the first operation."""
    first: str | None
    """The name of the first operation, if it has one."""
    is_ambiguous: bool
    """Whether the document has several operations, so that a request must name one."""
    roots: dict[str | None, str]
    """The names of the root fields by operation; None stands for the only operation."""
    limits: Limits
    sizes: dict[str | None, OperationSize]
    """The sizes by operation; None stands for the first. Empty if the document is invalid."""

    def require(self, operation_name: str | None, allowed: Iterable[OperationType]) -> None:
        """Check the type of an operation.

        Raises CannotGetOperationTypeError if it does not exist, or InvalidOperationTypeError.
        """
        found = self.operations.get(operation_name)
        if found is None:
            raise CannotGetOperationTypeError(operation_name)
        if found not in allowed:
            raise InvalidOperationTypeError(found)

    def errors_of(self, operation_name: str | None) -> list[GraphQLError]:
        """Return the errors that prevent the operation from running."""
        if self.is_ambiguous and operation_name is None and not self.errors:
            # Strawberry would run the first operation.
            return [
                GraphQLError("The document has several operations. Name one in `operationName`.")
            ]
        return self.errors

    def admit(
        self, operation_name: str | None, variables: Mapping[str, object] | None, context: object
    ) -> list[GraphQLError]:
        """Return the errors that prevent this request from running.

        Records the root field and the number of mutations in `context`.
        """
        errors = self.errors_of(operation_name)
        if not isinstance(context, RequestContext):
            return errors
        context.operation = self.roots.get(operation_name, UNKNOWN)
        size = self.sizes.get(operation_name)
        if errors or size is None:
            return errors
        excess = request_excess(size, self.limits, context.mutations_before, variables or {})
        if excess:
            return [excess]
        context.mutations = size.mutations
        return []


class Documents:
    """A cache of the valid documents of one schema."""

    def __init__(self, limits: Limits, *, introspection: bool) -> None:
        self._limits = limits
        self._rules: tuple[type[ASTValidationRule], ...] = (
            *specified_rules,
            operation_limits(limits),
        )
        if not introspection:
            self._rules += (NoSchemaIntrospectionCustomRule,)
        self._cached = lru_cache(CACHE_SIZE)(self._valid)

    def read(self, schema: GraphQLSchema, text: str, *, streamed: bool = False) -> Document:
        """Return the document in a text, cached if it is valid. Raises GraphQLSyntaxError.

        `streamed`: the document is a subscription, which may have fewer tokens.
        """
        tokens = self._limits.subscription_tokens if streamed else self._limits.tokens
        if len(text) > LONGEST_CACHED:
            return self._read(schema, text, tokens)
        try:
            return self._cached(schema, text, tokens)
        except _InvalidDocumentError as invalid:
            return invalid.document

    def _valid(self, schema: GraphQLSchema, text: str, max_tokens: int) -> Document:
        document = self._read(schema, text, max_tokens)
        if document.errors:
            raise _InvalidDocumentError(document)
        return document

    def _read(self, schema: GraphQLSchema, text: str, max_tokens: int) -> Document:
        node = _parse(text, max_tokens)
        errors = validate_document(schema, node, self._rules)
        operations = [
            part for part in node.definitions if isinstance(part, OperationDefinitionNode)
        ]
        return Document(
            node,
            errors,
            _types(operations),
            first=operations[0].name.value if operations and operations[0].name else None,
            is_ambiguous=len(operations) > 1,
            roots={} if errors else _roots(node),
            limits=self._limits,
            sizes={} if errors else operation_sizes(schema, node, self._limits),
        )


class ReadDocument(SchemaExtension):
    """Strawberry extension: looks up the document of an operation in the schema's cache.

    It replaces Strawberry's parser and validation caches, of which one hashes the document at each
    request (docs/performance.md).
    """

    def on_operation(self) -> Iterator[None]:
        context = self.execution_context
        if context.query:
            streamed = tuple(context.allowed_operations) == (OperationType.SUBSCRIPTION,)
            documents: Documents = context.schema.documents  # type: ignore[attr-defined]
            document = documents.read(context.schema._schema, context.query, streamed=streamed)  # noqa: SLF001
            context.graphql_document = document.node
            name = context._provided_operation_name  # noqa: SLF001
            context.pre_execution_errors = document.admit(name, context.variables, context.context)
        yield


class _InvalidDocumentError(Exception):
    """Carries an invalid document past the cache, which holds valid ones only."""

    def __init__(self, document: Document) -> None:
        self.document = document


def _parse(text: str, max_tokens: int) -> DocumentNode:
    try:
        return parse(text, max_tokens=max_tokens)
    except GraphQLSyntaxError as error:
        if _TOO_MANY_TOKENS in error.message:
            error.message = (
                f"The document has more than {max_tokens} tokens; {max_tokens} are allowed."
            )
            error.extensions = {"code": PARSE_FAILED, "reason": LIMIT_EXCEEDED}
        raise


def _types(operations: list[OperationDefinitionNode]) -> dict[str | None, OperationType]:
    types: dict[str | None, OperationType] = {}
    for operation in operations:
        type_ = OperationType(operation.operation.value)
        types.setdefault(None, type_)
        if operation.name:
            types.setdefault(operation.name.value, type_)
    return types


def _roots(node: DocumentNode) -> dict[str | None, str]:
    """Return the root field of each operation, or `several`.

    The document must be valid, so that all names are those of the schema.
    """
    fragments = fragments_of(node)

    def names_in(selections: SelectionSetNode, seen: set[str]) -> Iterator[str]:
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                yield selection.name.value
            elif isinstance(selection, InlineFragmentNode):
                yield from names_in(selection.selection_set, seen)
            elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in seen:
                # Once per fragment: nested double spreads grow exponentially.
                seen.add(selection.name.value)
                yield from names_in(fragments[selection.name.value].selection_set, seen)

    roots: dict[str | None, str] = {}
    for part in node.definitions:
        if isinstance(part, OperationDefinitionNode):
            names = set(names_in(part.selection_set, set()))
            names = names - {"__typename"} or names
            roots[part.name.value if part.name else None] = (
                names.pop() if len(names) == 1 else SEVERAL
            )
    if len(roots) == 1:
        roots[None] = next(iter(roots.values()))
    return roots
