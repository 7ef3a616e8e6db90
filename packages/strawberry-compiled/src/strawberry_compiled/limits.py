"""Bounds what one document may cost to compile.

Compiling is paid for by executions: each run of a document allows a few fields to be written, so a
document that is sent once or twice, however it is written, costs little more than without us.
"""

from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import FieldDetailsList

COMPILE_FROM = 2
"""The execution of a document at which compiling starts: one-off documents are not worth it."""
FIELDS_PER_RUN = 32
"""Fields that each execution of a document allows to be written."""
MAX_FUNCTION = 128
"""Fields of one compiled function; a larger selection is compiled in parts."""
MAX_FIELDS = 1000
"""Fields of an operation, fragments spread out; a larger one is left to graphql-core."""
MAX_LEVELS = 40
"""Levels of fields and of fragments inside one another, each level of a list included.

Python allows 100 levels of indentation. graphql-core ends with an error where the stack does, and
with us it would end earlier; deeper operations are left to it.
"""
MAX_LOOPS = 18
"""Lists inside one another: Python nests no more than 20 loops."""
MAX_STEPS = 20_000
"""Selections looked at while an operation is measured, once for each type they may be of."""


class TooLarge(Exception):
    """The operation is left to graphql-core; the message says why."""


class Size(NamedTuple):
    """What a selection asks for, fragments spread out."""

    fields: int = 0
    """For an interface or a union, the sum over its types."""
    levels: int = 0
    loops: int = 0

    def beside(self, other: "Size") -> "Size":
        return Size(
            self.fields + other.fields,
            max(self.levels, other.levels),
            max(self.loops, other.loops),
        )


class Measure:
    """Measures the selections of one document; each once for each type."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._known: dict[tuple[int, str], Size] = {}
        self.steps = 0

    def check(self, operation: OperationDefinitionNode) -> None:
        """Raise TooLarge for an operation that is not to be compiled."""
        root = self._schema.get_root_type(operation.operation)
        size = self._set(operation.selection_set, root, 0) if root else Size()
        for what, found, allowed in (
            ("fields", size.fields, MAX_FIELDS),
            ("levels", size.levels, MAX_LEVELS),
            ("lists inside one another", size.loops, MAX_LOOPS),
        ):
            if found > allowed:
                raise TooLarge(f"it has more than {allowed} {what}")

    def fields(self, type_: GraphQLOutputType, selection: FieldDetailsList) -> int:
        """Return how many fields are below this selection, of a checked operation."""
        named = get_named_type(type_)
        return sum(
            self._value(details.node.selection_set, named, 0).fields
            for details in selection
            if details.node.selection_set
        )

    def _value(self, node: SelectionSetNode, type_: GraphQLNamedType, depth: int) -> Size:
        if not is_abstract_type(type_):
            return self._set(node, type_, depth)
        size = Size()
        for member in self._schema.get_possible_types(type_):
            size = size.beside(self._set(node, member, depth))
        return size

    def _set(self, node: SelectionSetNode, type_: GraphQLNamedType, depth: int) -> Size:
        key = id(node), type_.name
        size = self._known.get(key)
        if size is None:
            if depth > MAX_LEVELS:
                raise TooLarge(f"it has more than {MAX_LEVELS} levels")
            self._known[key] = Size()  # of a fragment that spreads itself, which is invalid
            size = Size()
            for selection in node.selections:
                self.steps += 1
                if self.steps > MAX_STEPS:
                    raise TooLarge(f"it takes more than {MAX_STEPS} steps to measure")
                size = size.beside(self._selection(selection, type_, depth + 1))
            self._known[key] = size
        return size

    def _selection(self, node: object, type_: GraphQLNamedType, depth: int) -> Size:
        if isinstance(node, FieldNode):
            return self._field(node, type_, depth)
        if isinstance(node, FragmentSpreadNode):
            fragment = self._fragments.get(node.name.value)
            condition = fragment.type_condition if fragment else None
            selections = fragment.selection_set if fragment else None
        else:
            assert isinstance(node, InlineFragmentNode)  # noqa: S101  (there is no other)
            condition, selections = node.type_condition, node.selection_set
        if selections is None or not self._applies(
            condition.name.value if condition else "", type_
        ):
            return Size()
        inner = self._set(selections, type_, depth)
        return inner._replace(levels=inner.levels + 1)

    def _applies(self, condition: str, type_: GraphQLNamedType) -> bool:
        if not condition or condition == type_.name:
            return True
        found = self._schema.get_type(condition)
        return bool(
            found
            and is_abstract_type(found)
            and isinstance(type_, (GraphQLObjectType, GraphQLInterfaceType))
            and self._schema.is_sub_type(found, type_)
        )

    def _field(self, node: FieldNode, type_: GraphQLNamedType, depth: int) -> Size:
        field = None
        if isinstance(type_, GraphQLObjectType):
            field = self._schema.get_field(type_, node.name.value)
        lists = _lists(field.type) if field else 0
        inner = Size()
        if field and node.selection_set:
            inner = self._value(node.selection_set, get_named_type(field.type), depth)
        return Size(inner.fields + 1, inner.levels + 1 + lists, inner.loops + lists)


def _lists(type_: GraphQLOutputType) -> int:
    """Return how many lists are around the named type."""
    lists = 0
    while True:
        if is_list_type(type_):
            lists += 1
        elif not is_non_null_type(type_):
            return lists
        type_ = type_.of_type


class Allowance:
    """The fields that may be written for one document now."""

    __slots__ = ("fields", "written")

    def __init__(self) -> None:
        self.fields = 0
        self.written = 0
        """So far, over all executions."""

    def run(self) -> None:
        """Count one execution of the document."""
        self.fields = min(self.fields + FIELDS_PER_RUN, MAX_FUNCTION)

    def spend(self, fields: int) -> None:
        self.fields -= fields
        self.written += fields
