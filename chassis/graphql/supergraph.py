"""The composed supergraph: its API schema, and the subgraph that resolves each field."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from graphql import (
    BooleanValueNode,
    ConstDirectiveNode,
    DocumentNode,
    EnumTypeDefinitionNode,
    EnumValueNode,
    FieldDefinitionNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    build_schema,
    get_named_type,
    parse,
)

from chassis.graphql.fragments import fragments_of
from chassis.topology import ROOT

_FOLDER = ROOT / "router"
_SUBSCRIPTION = "Subscription"

Paths = frozenset[tuple[str, ...]]
"""Fields below a field, each as the names on the way to it."""


@dataclass(slots=True)
class _Type:
    graphs: set[str] = field(default_factory=set)
    fields: dict[str, dict[str, Paths]] = field(default_factory=dict)
    """For each field, what each subgraph that resolves it provides below it."""


class Supergraph:
    """What clients may ask, and which subgraph resolves it."""

    def __init__(self, api: str, supergraph: str) -> None:
        """Take the SDL of the API schema and of the supergraph, as `router/compose.mjs` writes."""
        self.api: GraphQLSchema = build_schema(api, assume_valid=True)
        self._types = _types(parse(supergraph, no_location=True))

    @classmethod
    def read(cls, folder: Path = _FOLDER) -> "Supergraph":
        """Return the committed supergraph."""
        api, supergraph = folder / "api.graphql", folder / "supergraph.graphql"
        return cls(api.read_text(), supergraph.read_text())

    def servers(self, subscription: str) -> frozenset[str]:
        """Return the subgraphs that serve a field of the type Subscription."""
        return frozenset(self._types[_SUBSCRIPTION].fields.get(subscription, ()))

    def foreign_field(
        self, document: DocumentNode, operation: OperationDefinitionNode, graph: str
    ) -> str | None:
        """Return the first field, like `User.createdAt`, that the subgraph does not resolve itself.

        None if it resolves all of them. The document must be valid for the API schema.
        """
        return next(_Walk(self.api, self._types, document, graph).operation(operation), None)


class _Walk:
    """Finds the fields of an operation that a subgraph does not resolve."""

    def __init__(
        self, api: GraphQLSchema, types: Mapping[str, _Type], document: DocumentNode, graph: str
    ) -> None:
        self._api = api
        self._types = types
        self._graph = graph
        self._fragments = fragments_of(document)
        # Once per fragment and context: nested double spreads grow exponentially.
        self._seen: set[tuple[str, Paths]] = set()

    def operation(self, node: OperationDefinitionNode) -> Iterator[str]:
        root = self._api.get_root_type(node.operation)
        assert root is not None  # noqa: S101  (the document is valid)
        yield from self._selections(node.selection_set, root.name, frozenset())

    def _selections(self, node: SelectionSetNode, parent: str, provided: Paths) -> Iterator[str]:
        for selection in node.selections:
            if isinstance(selection, FieldNode):
                yield from self._field(selection, parent, provided)
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                on = condition.name.value if condition else parent
                yield from self._selections(selection.selection_set, on, provided)
            elif isinstance(selection, FragmentSpreadNode):
                key = (selection.name.value, provided)
                if key not in self._seen:
                    self._seen.add(key)
                    fragment = self._fragments[selection.name.value]
                    on = fragment.type_condition.name.value
                    yield from self._selections(fragment.selection_set, on, provided)

    def _field(self, node: FieldNode, parent: str, provided: Paths) -> Iterator[str]:
        name = node.name.value
        if name.startswith("__"):
            return
        resolved = self._types[parent].fields.get(name, {}) if parent in self._types else {}
        if self._graph not in resolved and not any(path[0] == name for path in provided):
            yield f"{parent}.{name}"
            return
        if node.selection_set:
            below = frozenset(path[1:] for path in provided if path[0] == name and len(path) > 1)
            type_ = cast("GraphQLObjectType", self._api.get_type(parent))
            inner = get_named_type(type_.fields[name].type)
            yield from self._selections(
                node.selection_set, inner.name, below | resolved.get(self._graph, frozenset())
            )


def _types(document: DocumentNode) -> dict[str, _Type]:
    """Return the object types and interfaces of a supergraph, read from its `@join__…`."""
    graphs = _graphs(document)
    types: dict[str, _Type] = {}
    for node in document.definitions:
        if isinstance(node, (ObjectTypeDefinitionNode, InterfaceTypeDefinitionNode)):
            own = [_arguments(each) for each in _named(node.directives, "join__type")]
            known = _Type(
                {
                    graphs[cast("str", each["graph"])]
                    for each in own
                    # The subgraph does not know the concrete types.
                    if not each.get("isInterfaceObject")
                }
            )
            for field_ in node.fields or ():
                known.fields[field_.name.value] = _resolved(field_, known.graphs, graphs)
            types[node.name.value] = known
    return types


def _graphs(document: DocumentNode) -> dict[str, str]:
    """Return the names of the subgraphs by the values of `join__Graph`."""
    return {
        value.name.value: cast("str", _arguments(directive)["name"])
        for node in document.definitions
        if isinstance(node, EnumTypeDefinitionNode) and node.name.value == "join__Graph"
        for value in node.values or ()
        for directive in _named(value.directives, "join__graph")
    }


def _resolved(
    node: FieldDefinitionNode, of_type: set[str], graphs: Mapping[str, str]
) -> dict[str, Paths]:
    """Return the subgraphs that resolve a field without asking others, and what they provide."""
    joins = [_arguments(each) for each in _named(node.directives, "join__field")]
    if not joins:
        return dict.fromkeys(of_type, frozenset())
    incomplete = ("external", "usedOverridden", "requires", "contextArguments")
    resolved = {}
    for join in joins:
        graph = graphs.get(str(join.get("graph")), "")
        if graph in of_type and not any(join.get(name) for name in incomplete):
            resolved[graph] = _paths(str(join.get("provides") or ""))
    return resolved


def _paths(field_set: str) -> Paths:
    """Return the fields of a `@provides`; those for one type only are left out."""

    def paths(node: SelectionSetNode) -> Iterator[tuple[str, ...]]:
        for selection in node.selections:
            if isinstance(selection, FieldNode):
                name = selection.name.value
                below = paths(selection.selection_set) if selection.selection_set else [()]
                yield from ((name, *path) for path in below)

    if not field_set:
        return frozenset()
    [operation] = parse(f"{{{field_set}}}").definitions
    return frozenset(paths(cast("OperationDefinitionNode", operation).selection_set))


def _named(
    directives: tuple[ConstDirectiveNode, ...] | None, name: str
) -> Iterator[ConstDirectiveNode]:
    return (node for node in directives or () if node.name.value == name)


def _arguments(node: ConstDirectiveNode) -> dict[str, object]:
    """Return the arguments; a list is present as its node."""
    plain = (StringValueNode, EnumValueNode, BooleanValueNode)
    return {
        argument.name.value: argument.value.value
        if isinstance(argument.value, plain)
        else argument.value
        for argument in node.arguments or ()
    }
