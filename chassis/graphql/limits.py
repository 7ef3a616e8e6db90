"""Validation rules that bound what one operation may ask for.

Each fragment is measured once. Strawberry's own limiters walk a fragment again for every spread,
which a document of a hundred small fragments turns into hours (docs/upstream.md).
"""

from dataclasses import dataclass
from functools import cache

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
)

FRAGMENT_NESTING = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one document may hold: tokens, levels of fields, aliased fields."""

    tokens: int = 2000
    depth: int = 15
    aliases: int = 30


@dataclass(slots=True)
class _Size:
    depth: int = 0
    aliases: int = 0


class _Measure:
    """Depth and aliases of selection sets, with every fragment spread out but measured once."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._known: dict[str, _Size] = {}

    def selection_set(self, node: SelectionSetNode, nesting: int = 0) -> _Size:
        size = _Size()
        for selection in node.selections:
            part = _Size()
            if isinstance(selection, FragmentSpreadNode):
                part = self._fragment(selection.name.value, nesting + 1)
            elif isinstance(selection, (FieldNode, InlineFragmentNode)) and selection.selection_set:
                part = self.selection_set(selection.selection_set, nesting)
            if isinstance(selection, FieldNode):
                # Introspection is switched by a rule of its own and bounded by its schema.
                introspects = selection.name.value.startswith("__")
                part = _Size(
                    0 if introspects else part.depth + 1, part.aliases + bool(selection.alias)
                )
            size.depth = max(size.depth, part.depth)
            size.aliases += part.aliases
        return size

    def _fragment(self, name: str, nesting: int) -> _Size:
        if name not in self._known:
            # Stands for itself while it is measured: a cycle is another rule's error.
            self._known[name] = _Size()
            if nesting > FRAGMENT_NESTING:
                raise GraphQLError(f"Fragments are nested more than {FRAGMENT_NESTING} deep.")
            if node := self._fragments.get(name):
                self._known[name] = self.selection_set(node.selection_set, nesting)
        return self._known[name]


@cache
def operation_limits(limits: Limits) -> type[ValidationRule]:
    """The rule that holds documents to `limits`.

    Cached, because Strawberry's ValidationCache takes the rule's identity into its key.
    """

    class OperationLimits(ValidationRule):
        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            measure = _Measure(context.document)
            for node in context.document.definitions:
                if isinstance(node, OperationDefinitionNode):
                    self._check(measure, node)

        def _check(self, measure: _Measure, node: OperationDefinitionNode) -> None:
            try:
                size = measure.selection_set(node.selection_set)
            except GraphQLError as error:
                self.report_error(error)
                return
            for what, found, allowed in (
                ("levels deep", size.depth, limits.depth),
                ("aliases", size.aliases, limits.aliases),
            ):
                if found > allowed:
                    self.report_error(
                        GraphQLError(f"The operation has {found} {what}; {allowed} are allowed.")
                    )

    return OperationLimits
