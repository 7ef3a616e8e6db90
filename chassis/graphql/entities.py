"""Finds the entities of a subgraph that the router can request but that cannot be resolved."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldDefinitionNode,
    FieldNode,
    InterfaceTypeDefinitionNode,
    InterfaceTypeExtensionNode,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    SelectionSetNode,
    UnionTypeDefinitionNode,
    parse,
    value_from_ast_untyped,
)

INTERFACES = (InterfaceTypeDefinitionNode, InterfaceTypeExtensionNode)
Composite = (
    ObjectTypeDefinitionNode
    | ObjectTypeExtensionNode
    | InterfaceTypeDefinitionNode
    | InterfaceTypeExtensionNode
)

_INFO = "info"


def entity_problems(sdl: str, classes: Mapping[str, type]) -> Iterator[str]:
    """Yield one line for each entity that the router may request but this subgraph cannot resolve.

    The router requests an entity of this subgraph, by a resolvable `@key`, in two cases: the type
    has a field here that is neither in the key nor `@external`; or the type is, or implements, an
    interface with a `@key`, so that the router may have to ask for the concrete type. Other types
    with a key only refer to an entity of another subgraph and need no resolver. `classes` are the
    Python classes of the types in `sdl`.
    """
    document = parse(sdl)
    types = {d.name.value: d for d in document.definitions if isinstance(d, Composite)}
    members = _entity_members(document)
    for name, type_ in types.items():
        keys = [_field_set(key) for key in _keys(type_)]
        if not (
            any(_has_fields_beyond(type_, key, types) for key in keys)
            or _is_requested_by_interface(type_, types)
        ):
            continue
        by = " or ".join(repr(" ".join(_names(key))) for key in keys)
        entity = f"the entity {name} (@key {by})"
        if not isinstance(type_, INTERFACES) and name not in members:
            yield f"{entity} is not part of _Entity. Add types=[{name}] to build_schema()."
        if problem := _resolver_problem(classes[name], type_, keys):
            yield f"{entity} {problem}."


def _resolver_problem(class_: type, type_: Composite, keys: list[SelectionSetNode]) -> str | None:
    """Return why the class cannot be resolved from a representation, or None."""
    resolve = getattr(class_, "resolve_reference", None)
    key_fields = sorted({name for key in keys for name in _names(key)})
    if resolve is None:
        arguments = ", ".join(("cls", *key_fields))
        return (
            f"has no resolve_reference. Add a classmethod resolve_reference({arguments}), or "
            "resolvable=False to the key if no other subgraph refers to it"
        )
    signature = inspect.signature(resolve)
    info = {_INFO: None} if _INFO in signature.parameters else {}
    for key in keys:
        names = {*_names(key), *_required(type_)}
        try:
            # The router sends the key with or without the fields of `@requires`.
            signature.bind(**dict.fromkeys(names), **info)
            signature.bind(**dict.fromkeys(_names(key)), **info)
        except TypeError as error:
            arguments = ", ".join(sorted(names))
            return f"cannot be resolved with {arguments}: resolve_reference: {error}"
    return None


def _has_fields_beyond(
    type_: Composite, selected: SelectionSetNode, types: Mapping[str, Composite]
) -> bool:
    """Return whether the type has fields in this subgraph that its key does not select."""
    selected_fields = {
        s.name.value: s.selection_set for s in selected.selections if isinstance(s, FieldNode)
    }
    for field in type_.fields or ():
        if _directives(field, "external"):
            continue
        if field.name.value not in selected_fields:
            return True
        inner, selection = types.get(_type_name(field)), selected_fields[field.name.value]
        if inner and selection and _has_fields_beyond(inner, selection, types):
            return True
    return False


def _is_requested_by_interface(type_: Composite, types: Mapping[str, Composite]) -> bool:
    """Return whether the router may have to ask for the concrete type of an entity.

    It has to if another subgraph knows only the interface, declared with `@interfaceObject`.
    """
    if not _keys(type_):
        return False
    interfaces = (types[interface.name.value] for interface in type_.interfaces or ())
    return isinstance(type_, INTERFACES) or any(_keys(interface) for interface in interfaces)


def _entity_members(document: DocumentNode) -> set[str]:
    """Return the names of the members of the union `_Entity`."""
    return {
        member.name.value
        for definition in document.definitions
        if isinstance(definition, UnionTypeDefinitionNode) and definition.name.value == "_Entity"
        for member in definition.types or ()
    }


def _keys(type_: Composite) -> list[DirectiveNode]:
    """Return the resolvable keys of a type."""
    keys = _directives(type_, "key")
    return [key for key in keys if _argument(key, "resolvable") is not False]


def _required(type_: Composite) -> set[str]:
    """Return the fields that the router may send because a field of the type `@requires` them."""
    required = (d for field in type_.fields or () for d in _directives(field, "requires"))
    return {name for directive in required for name in _names(_field_set(directive))}


def _directives(node: Composite | FieldDefinitionNode, name: str) -> list[DirectiveNode]:
    return [d for d in node.directives or () if d.name.value == name]


def _argument(directive: DirectiveNode, name: str) -> Any:
    given = {a.name.value: value_from_ast_untyped(a.value) for a in directive.arguments or ()}
    return given.get(name)


def _field_set(directive: DirectiveNode) -> SelectionSetNode:
    """Return the fields that a directive names, as a selection set."""
    (operation,) = parse(f"{{ {_argument(directive, 'fields')} }}").definitions
    assert hasattr(operation, "selection_set")  # noqa: S101
    selection: SelectionSetNode = operation.selection_set
    return selection


def _names(selection: SelectionSetNode) -> list[str]:
    return [s.name.value for s in selection.selections if isinstance(s, FieldNode)]


def _type_name(field: FieldDefinitionNode) -> str:
    """Return the name of the field's type without list and non-null wrappers."""
    type_: Any = field.type
    while hasattr(type_, "type"):
        type_ = type_.type
    return str(type_.name.value)
