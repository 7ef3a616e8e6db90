"""Limits the size of an operation (docs/adr/0017).

A validation rule limits a document. `request_excess` limits what depends on the request: the
mutations that the same client request has run before, and the number of requested entities.

Each fragment is measured once. Strawberry's own limiters walk a fragment again for every spread,
which takes hours for a document of a hundred small fragments (docs/upstream.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
    get_named_type,
)

from chassis.errors import LIMIT_EXCEEDED, VALIDATION_FAILED
from chassis.graphql.fragments import fragments_of

FRAGMENT_NESTING = 64
PAGE = "first"
"""The argument with the number of items of a list (Relay connections)."""
ENTITIES = "_entities"
REPRESENTATIONS = "representations"
"""The variable with the entities that a gateway requests."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one document."""

    tokens: int = 2000
    subscription_tokens: int = 500
    """Fewer than `tokens`, because a subscription is executed again for each event."""
    depth: int = 15
    """Levels of nested fields."""
    aliases: int = 30
    mutations: int = 5
    """Root fields of a mutation."""
    objects: int = 5000
    """Objects in the response. A field with the argument `first` multiplies everything below it by
    that number; `_entities` multiplies everything below it by the number of requested entities."""
    page: int = 100
    """The number of items that is assumed if `first` is a variable or has no default."""


@dataclass(slots=True)
class _Size:
    fields: int = 0
    """Fields of this level only."""
    depth: int = 0
    aliases: int = 0
    objects: int = 0
    entity_objects: int = 0
    """Objects per representation."""


@dataclass(frozen=True, slots=True)
class OperationSize:
    """The size of an operation, as far as its document determines it."""

    mutations: int
    objects: int
    entity_objects: int
    """Additional objects per representation."""


class _Measure:
    """Measures selection sets; every fragment is counted at each spread but measured once."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, page: int) -> None:
        self._schema = schema
        self._page = page
        self._fragments = fragments_of(document)
        self._known: dict[str, _Size] = {}

    def operation(self, node: OperationDefinitionNode) -> _Size:
        return self._selection_set(
            node.selection_set, self._schema.get_root_type(node.operation), nesting=0
        )

    def _selection_set(
        self, node: SelectionSetNode, parent: GraphQLNamedType | None, nesting: int
    ) -> _Size:
        size = _Size()
        for selection in node.selections:
            if isinstance(selection, FieldNode):
                part = self._field(selection, parent, nesting)
            elif isinstance(selection, FragmentSpreadNode):
                part = self._fragment(selection.name.value, nesting + 1)
            else:
                assert isinstance(selection, InlineFragmentNode)  # noqa: S101  (there is no other)
                condition = selection.type_condition
                inner = self._schema.get_type(condition.name.value) if condition else parent
                part = self._selection_set(selection.selection_set, inner, nesting)
            size.fields += part.fields
            size.depth = max(size.depth, part.depth)
            size.aliases += part.aliases
            size.objects += part.objects
            size.entity_objects += part.entity_objects
        return size

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None, nesting: int) -> _Size:
        if node.name.value.startswith("__"):
            # Another rule switches introspection off; its size is limited by the schema.
            return _Size(fields=1, aliases=bool(node.alias))
        size = _Size(fields=1, depth=1, aliases=bool(node.alias))
        if node.selection_set:
            composite = isinstance(parent, (GraphQLObjectType, GraphQLInterfaceType))
            field = parent.fields.get(node.name.value) if composite else None  # type: ignore[union-attr]
            inner = self._selection_set(
                node.selection_set, get_named_type(field.type) if field else None, nesting
            )
            count = 1
            if field and PAGE in field.args:
                default = field.args[PAGE].default_value
                count = self._count(node, default if isinstance(default, int) else self._page)
            size.depth += inner.depth
            size.aliases += inner.aliases
            size.objects = count * (1 + inner.objects)
            if node.name.value == ENTITIES:
                size.objects, size.entity_objects = 0, size.objects
        return size

    def _count(self, node: FieldNode, default: int) -> int:
        for argument in node.arguments or ():
            if argument.name.value == PAGE:
                value = argument.value
                # The resolver refuses less than one; here it must not reduce the total.
                return max(1, int(value.value)) if isinstance(value, IntValueNode) else self._page
        return default

    def _fragment(self, name: str, nesting: int) -> _Size:
        if name not in self._known:
            # A placeholder while it is measured: another rule reports cycles.
            self._known[name] = _Size()
            if nesting > FRAGMENT_NESTING:
                raise _exceeded(f"Fragments are nested deeper than {FRAGMENT_NESTING} levels.")
            if node := self._fragments.get(name):
                on = self._schema.get_type(node.type_condition.name.value)
                self._known[name] = self._selection_set(node.selection_set, on, nesting)
        return self._known[name]


def operation_limits(limits: Limits) -> type[ValidationRule]:
    """Return the validation rule that enforces `limits`."""

    class OperationLimits(ValidationRule):
        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            measure = _Measure(context.schema, context.document, limits.page)
            for node in context.document.definitions:
                if isinstance(node, OperationDefinitionNode):
                    self._check(measure, node)

        def _check(self, measure: _Measure, node: OperationDefinitionNode) -> None:
            try:
                size = measure.operation(node)
            except GraphQLError as error:
                self.report_error(error)
                return
            for what, found, allowed in (
                ("levels", size.depth, limits.depth),
                ("aliases", size.aliases, limits.aliases),
                ("mutations", _mutations(node, size), limits.mutations),
                ("objects", size.objects + size.entity_objects, limits.objects),
            ):
                if found > allowed:
                    self.report_error(_too_many(what, found, allowed))

    return OperationLimits


def operation_sizes(
    schema: GraphQLSchema, document: DocumentNode, limits: Limits
) -> dict[str | None, OperationSize]:
    """Return the sizes of a valid document's operations by name; None stands for the first."""
    measure = _Measure(schema, document, limits.page)
    sizes: dict[str | None, OperationSize] = {}
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            size = measure.operation(node)
            found = OperationSize(_mutations(node, size), size.objects, size.entity_objects)
            sizes.setdefault(None, found)
            if node.name:
                sizes[node.name.value] = found
    return sizes


def request_excess(
    size: OperationSize, limits: Limits, mutations_before: int, variables: Mapping[str, object]
) -> GraphQLError | None:
    """Return the error of a request that exceeds a limit although its document does not.

    `mutations_before`: mutations that earlier fetches of the same client request have run.
    """
    mutations = mutations_before + size.mutations
    if size.mutations and mutations > limits.mutations:
        return _exceeded(
            f"The operation has at least {mutations} mutations; {limits.mutations} are allowed. "
            f"The first {mutations_before} ran, the others did not."
        )
    if size.entity_objects:
        entities = variables.get(REPRESENTATIONS)
        count = len(entities) if isinstance(entities, list) else 1
        objects = size.objects + size.entity_objects * count
        if objects > limits.objects:
            return _too_many("objects", objects, limits.objects)
    return None


def _mutations(node: OperationDefinitionNode, size: _Size) -> int:
    return size.fields if node.operation is OperationType.MUTATION else 0


def _too_many(what: str, found: int, allowed: int) -> GraphQLError:
    return _exceeded(f"The operation has {found} {what}; {allowed} are allowed.")


def _exceeded(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": VALIDATION_FAILED, "reason": LIMIT_EXCEEDED})
