"""Documents, parsed and validated once for each text that clients send."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

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
from strawberry.schema.schema import validate_document
from strawberry.types.graphql import OperationType

from chassis.graphql.context import RequestContext
from chassis.graphql.limits import Limits, operation_limits

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
    operations: int
    roots: dict[str | None, str]
    """For the name of each operation, and for None where there is one: its root field's name."""


class ReadDocument(SchemaExtension):
    """Gives each operation its document, from memory where it can.

    Strawberry's own caches do this in two extensions, one of which hashes the whole document at
    each request.
    """

    limits: ClassVar[Limits]
    read: ClassVar["staticmethod[[GraphQLSchema, str, int], Document]"]

    def on_operation(self) -> Iterator[None]:
        context = self.execution_context
        if context.query:
            streamed = tuple(context.allowed_operations) == (OperationType.SUBSCRIPTION,)
            tokens = self.limits.subscription_tokens if streamed else self.limits.tokens
            document = self.read(context.schema._schema, context.query, tokens)  # noqa: SLF001
            context.graphql_document = document.node
            context.pre_execution_errors = document.errors
            if isinstance(context.context, RequestContext):
                name = context._provided_operation_name  # noqa: SLF001
                context.context.operation = document.roots.get(name, UNKNOWN)
            # Strawberry would run the first one.
            if document.operations > 1 and context._provided_operation_name is None:  # noqa: SLF001
                context.pre_execution_errors = document.errors or [_ambiguous()]
        yield


def _ambiguous() -> GraphQLError:
    return GraphQLError("The document has several operations: `operationName` must name one.")


def reading(limits: Limits, *, introspection: bool) -> type[ReadDocument]:
    """The extension that reads documents and holds them to `limits`."""
    rules: tuple[type[ASTValidationRule], ...] = (*specified_rules, operation_limits(limits))
    if not introspection:
        rules += (NoSchemaIntrospectionCustomRule,)

    @lru_cache(REMEMBERED)
    def remembered(schema: GraphQLSchema, text: str, max_tokens: int) -> Document:
        document = _read(schema, text, max_tokens, rules)
        if document.errors:
            raise _InvalidDocumentError(document)
        return document

    def read(schema: GraphQLSchema, text: str, max_tokens: int) -> Document:
        if len(text) > LONGEST:
            return _read(schema, text, max_tokens, rules)
        try:
            return remembered(schema, text, max_tokens)
        except _InvalidDocumentError as invalid:
            return invalid.document

    return type("Reading", (ReadDocument,), {"limits": limits, "read": staticmethod(read)})


class _InvalidDocumentError(Exception):
    """Raised past the memory, which is for documents that somebody uses."""

    def __init__(self, document: Document) -> None:
        self.document = document


def _read(
    schema: GraphQLSchema, text: str, max_tokens: int, rules: tuple[type[ASTValidationRule], ...]
) -> Document:
    """Raises GraphQLSyntaxError."""
    node = parse(text, max_tokens=max_tokens)
    operations = sum(isinstance(part, OperationDefinitionNode) for part in node.definitions)
    errors = validate_document(schema, node, rules)
    return Document(node, errors, operations, {} if errors else _roots(node))


def _roots(node: DocumentNode) -> dict[str | None, str]:
    """Of a valid document, so the names are the schema's. Several fields are called `several`."""
    fragments = {
        part.name.value: part.selection_set
        for part in node.definitions
        if isinstance(part, FragmentDefinitionNode)
    }

    def fields(selections: SelectionSetNode) -> Iterator[str]:
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                yield selection.name.value
            elif isinstance(selection, InlineFragmentNode):
                yield from fields(selection.selection_set)
            elif isinstance(selection, FragmentSpreadNode):
                yield from fields(fragments[selection.name.value])

    roots: dict[str | None, str] = {}
    for part in node.definitions:
        if isinstance(part, OperationDefinitionNode):
            names = set(fields(part.selection_set))
            names = names - {"__typename"} or names
            roots[part.name.value if part.name else None] = (
                names.pop() if len(names) == 1 else SEVERAL
            )
    if len(roots) == 1:
        roots[None] = next(iter(roots.values()))
    return roots
