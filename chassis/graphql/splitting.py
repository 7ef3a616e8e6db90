"""Splits a subscription into its source of events and a query that completes each event.

    subscription Feed($after: String, $n: Int!) {
      items: tweetFeed(after: $after) { actor { createdAt tweets(first: $n) { … } } }
    }

becomes the subscription that the subgraph runs, whose events are the arguments of the entry field

    subscription Feed($after: String) { items: tweetFeed(after: $after) { cursor } }

and the query that the router runs for each of them, with the client's own selection:

    query Feed($n: Int!, $cursor: String!) {
      items: tweetFeedItem(cursor: $cursor) { actor { createdAt tweets(first: $n) { … } } }
    }
"""

from collections.abc import Callable, Collection, Container, Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    NamedTypeNode,
    NameNode,
    Node,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    is_non_null_type,
    parse_type,
    print_ast,
    visit,
)

from chassis.graphql.fragments import fragments_of


@dataclass(frozen=True, slots=True)
class Split:
    """A subscription as a source and a query."""

    source: str
    """The subscription; its events hold the arguments of the entry field."""
    source_variables: frozenset[str]
    query: str
    query_variables: frozenset[str]
    """The variables of the client in the query."""
    arguments: Mapping[str, str]
    """The arguments of the entry field, by the names of their variables in the query."""
    field: str
    """The name of the subscription's field."""
    response_name: str
    """The alias or the name of the subscription's field."""
    is_nullable: bool
    """Whether the subscription's field may be null."""


def split(
    api: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, entry: str
) -> Split:
    """Split a subscription that is valid for the API schema.

    `entry` is the query field that returns one event; its arguments are fields of the event.
    """
    query_type, subscription_type = api.query_type, api.subscription_type
    assert query_type and subscription_type  # noqa: S101, PT018  (both have a field here)
    root = _root_field(document, operation)
    taken = {each.variable.name.value for each in operation.variable_definitions or ()}
    parameters = query_type.fields[entry].args
    arguments = {_free(name, taken): name for name in parameters}
    event = SelectionSetNode(selections=tuple(FieldNode(name=_name(name)) for name in parameters))
    call = tuple(
        ArgumentNode(name=_name(name), value=VariableNode(name=_name(variable)))
        for variable, name in arguments.items()
    )

    def as_source(node: FieldNode) -> FieldNode:
        return replace(node, selection_set=event)

    def as_entry(node: FieldNode) -> FieldNode:
        alias = node.alias or node.name
        return replace(node, name=_name(entry), alias=alias, arguments=call)

    source = _Rewriting(document, subscription_type.name, subscription_type.name, as_source)
    query = _Rewriting(document, subscription_type.name, query_type.name, as_entry)
    types = {variable: str(parameters[name].type) for variable, name in arguments.items()}
    source_text, source_variables = source.operation(operation, OperationType.SUBSCRIPTION, {})
    query_text, query_variables = query.operation(operation, OperationType.QUERY, types)
    return Split(
        source=source_text,
        source_variables=source_variables,
        query=query_text,
        query_variables=query_variables,
        arguments=arguments,
        field=root.name.value,
        response_name=(root.alias or root.name).value,
        is_nullable=not is_non_null_type(subscription_type.fields[root.name.value].type),
    )


def _root_field(document: DocumentNode, operation: OperationDefinitionNode) -> FieldNode:
    """Return the root field of a valid subscription, which may be in a fragment."""
    fragments = fragments_of(document)
    selections = operation.selection_set
    while True:
        selection = selections.selections[0]
        if isinstance(selection, FieldNode):
            return selection
        if isinstance(selection, FragmentSpreadNode):
            selections = fragments[selection.name.value].selection_set
        else:
            assert isinstance(selection, InlineFragmentNode)  # noqa: S101  (there is no other)
            selections = selection.selection_set


class _Rewriting:
    """Makes a document of another one, with other root fields on another root type."""

    def __init__(
        self,
        document: DocumentNode,
        root: str,
        new_root: str,
        convert: Callable[[FieldNode], FieldNode],
    ) -> None:
        """`root` and `new_root` are the names of the root types."""
        self._root = root
        self._new_root = NamedTypeNode(name=_name(new_root))
        self._convert = convert
        self._fragments = {
            name: self._fragment(node) for name, node in fragments_of(document).items()
        }

    def operation(
        self, node: OperationDefinitionNode, type_: OperationType, added: Mapping[str, str]
    ) -> tuple[str, frozenset[str]]:
        """Return the document of one operation, and those of its variables that are used.

        `added` are further variables with their types.
        """
        rewritten = replace(
            node, operation=type_, selection_set=self._selections(node.selection_set)
        )
        spread = self._reachable(rewritten)
        used = {
            name
            for each in (rewritten.selection_set, *spread)
            for name in _names_in(each, VariableNode)
        }
        kept = [
            each for each in node.variable_definitions or () if each.variable.name.value in used
        ]
        new = [
            VariableDefinitionNode(variable=VariableNode(name=_name(name)), type=parse_type(text))
            for name, text in added.items()
        ]
        rewritten = replace(rewritten, variable_definitions=(*kept, *new))
        text = print_ast(DocumentNode(definitions=(rewritten, *spread)))
        return text, frozenset(each.variable.name.value for each in kept)

    def _fragment(self, node: FragmentDefinitionNode) -> FragmentDefinitionNode:
        if node.type_condition.name.value != self._root:
            return node
        selections = self._selections(node.selection_set)
        return replace(node, type_condition=self._new_root, selection_set=selections)

    def _selections(self, node: SelectionSetNode) -> SelectionSetNode:
        """Return the selections on the root type."""
        return replace(node, selections=tuple(map(self._selection, node.selections)))

    def _selection(self, node: SelectionNode) -> SelectionNode:
        if isinstance(node, FieldNode):
            return self._convert(node)
        if isinstance(node, InlineFragmentNode):
            selections = self._selections(node.selection_set)
            condition = node.type_condition and self._new_root
            return replace(node, type_condition=condition, selection_set=selections)
        return node

    def _reachable(self, node: Node) -> Collection[FragmentDefinitionNode]:
        """Return the fragments that a node spreads, directly or not, in the order of spreads."""
        found: dict[str, FragmentDefinitionNode] = {}
        waiting = [node]
        while waiting:
            for name in _names_in(waiting.pop(), FragmentSpreadNode):
                if name not in found:
                    found[name] = self._fragments[name]
                    waiting.append(found[name])
        return found.values()


def _names_in(node: Node, kind: type[FragmentSpreadNode | VariableNode]) -> list[str]:
    """Return the names of all nodes of a kind."""
    names: list[str] = []

    class Collect(Visitor):
        def enter(self, node: Node, *_: Any) -> None:
            if isinstance(node, kind):
                names.append(node.name.value)

    visit(node, Collect())
    return names


def _name(text: str) -> NameNode:
    return NameNode(value=text)


def _free(name: str, taken: Container[str]) -> str:
    """Return the name of a variable that the client does not use."""
    while name in taken:
        name += "_"
    return name
