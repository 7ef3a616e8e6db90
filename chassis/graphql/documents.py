"""Documents, parsed and validated once for each text that clients send."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
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

from chassis.graphql.context import RequestContext
from chassis.graphql.limits import (
    Limits,
    OperationSize,
    operation_limits,
    operation_sizes,
    request_excess,
)

SEVERAL = "several"
UNKNOWN = "unknown"
REMEMBERED = 128
"""Documents; the executor keeps its plans for as many."""

LONGEST = 4096
"""Characters of a document that is remembered: parsed it takes some hundred times as much."""


@dataclass(frozen=True, slots=True)
class Document:
    node: DocumentNode
    errors: list[GraphQLError]
    """What makes it invalid."""
    operations: dict[str | None, OperationType]
    """By name; under None the first one."""
    first: str | None
    """The name of the first one, if it has one."""
    is_ambiguous: bool
    """Whether it takes a name to say which of them is meant."""
    roots: dict[str | None, str]
    """For the name of each operation, and for None where there is one: its root field's name."""
    limits: Limits
    sizes: dict[str | None, OperationSize]
    """By name; under None the first one's. Empty where the document is invalid."""

    def require(self, operation_name: str | None, allowed: Iterable[OperationType]) -> None:
        """Raises CannotGetOperationTypeError or InvalidOperationTypeError."""
        found = self.operations.get(operation_name)
        if found is None:
            raise CannotGetOperationTypeError(operation_name)
        if found not in allowed:
            raise InvalidOperationTypeError(found)

    def errors_of(self, operation_name: str | None) -> list[GraphQLError]:
        """What keeps the operation from being run."""
        if self.is_ambiguous and operation_name is None and not self.errors:
            # Strawberry would run the first one.
            return [
                GraphQLError("The document has several operations: `operationName` must name one.")
            ]
        return self.errors

    def admit(
        self, operation_name: str | None, variables: Mapping[str, object] | None, context: object
    ) -> list[GraphQLError]:
        """What keeps this request for the operation from being run.

        Notes in `context` which field is asked for, and how many mutations are about to run.
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
    """Documents that are valid under one schema, and what is wrong with others."""

    def __init__(self, limits: Limits, *, introspection: bool) -> None:
        self._limits = limits
        self._rules: tuple[type[ASTValidationRule], ...] = (
            *specified_rules,
            operation_limits(limits),
        )
        if not introspection:
            self._rules += (NoSchemaIntrospectionCustomRule,)
        self._remembered = lru_cache(REMEMBERED)(self._valid)

    def read(self, schema: GraphQLSchema, text: str, *, streamed: bool = False) -> Document:
        """From memory where it can. Raises GraphQLSyntaxError."""
        tokens = self._limits.subscription_tokens if streamed else self._limits.tokens
        if len(text) > LONGEST:
            return self._read(schema, text, tokens)
        try:
            return self._remembered(schema, text, tokens)
        except _InvalidDocumentError as invalid:
            return invalid.document

    def _valid(self, schema: GraphQLSchema, text: str, max_tokens: int) -> Document:
        document = self._read(schema, text, max_tokens)
        if document.errors:
            raise _InvalidDocumentError(document)
        return document

    def _read(self, schema: GraphQLSchema, text: str, max_tokens: int) -> Document:
        node = parse(text, max_tokens=max_tokens)
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
    """Gives each operation that Strawberry runs its document.

    Strawberry's own caches do this in two extensions, one of which hashes the whole document at
    each request.
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
    """Raised past the memory, which is for documents that somebody uses."""

    def __init__(self, document: Document) -> None:
        self.document = document


def _types(operations: list[OperationDefinitionNode]) -> dict[str | None, OperationType]:
    types: dict[str | None, OperationType] = {}
    for operation in operations:
        type_ = OperationType(operation.operation.value)
        types.setdefault(None, type_)
        if operation.name:
            types.setdefault(operation.name.value, type_)
    return types


def _roots(node: DocumentNode) -> dict[str | None, str]:
    """Of a valid document, so the names are the schema's. Several fields are called `several`."""
    fragments = {
        part.name.value: part.selection_set
        for part in node.definitions
        if isinstance(part, FragmentDefinitionNode)
    }

    def names_in(selections: SelectionSetNode, seen: set[str]) -> Iterator[str]:
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                yield selection.name.value
            elif isinstance(selection, InlineFragmentNode):
                yield from names_in(selection.selection_set, seen)
            elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in seen:
                # Once: fragments that spread others twice double at each level.
                seen.add(selection.name.value)
                yield from names_in(fragments[selection.name.value], seen)

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
