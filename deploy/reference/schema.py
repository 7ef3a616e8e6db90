"""The reference of the API, from the composed schema that clients see."""

from collections.abc import Iterator, Mapping
from functools import cache

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLType,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    is_introspection_type,
    is_specified_scalar_type,
    print_ast,
)

from chassis.topology import ROOT, Topology
from deploy.reference.markdown import code, page, table

_KINDS: Mapping[type[GraphQLNamedType], str] = {
    GraphQLObjectType: "Objects",
    GraphQLInterfaceType: "Interfaces",
    GraphQLUnionType: "Unions",
    GraphQLInputObjectType: "Inputs",
    GraphQLEnumType: "Enums",
    GraphQLScalarType: "Scalars",
}


@cache
def api() -> GraphQLSchema:
    """Return the schema that clients see."""
    return build_schema((ROOT / "router" / "api.graphql").read_text())


def text(_: Topology) -> str:
    """Return the page."""
    schema = api()
    roots = {
        title: type_
        for title, type_ in (
            ("Queries", schema.query_type),
            ("Mutations", schema.mutation_type),
            ("Subscriptions", schema.subscription_type),
        )
        if type_
    }
    return page(
        "router/api.graphql",
        "Schema",
        "What clients see of the supergraph. [`router/api.graphql`](../../router/api.graphql) is "
        "the same as a file for code generators; a running stack serves it at `/schema.graphql` "
        "where introspection is allowed.",
        *(
            "\n\n".join([f"## {title}", *map(_operation, type_.fields, type_.fields.values())])
            for title, type_ in roots.items()
        ),
        *_types(schema, {*roots.values()}),
    )


def flat(description: str | None) -> str:
    """Return a description in one line."""
    return " ".join((description or "").split())


def _operation(name: str, field: GraphQLField) -> str:
    parts = [f"### {name}", f"{_link(field.type)}. {_described(field)}", _fields(field.args)]
    return "\n\n".join(part for part in parts if part)


def _types(schema: GraphQLSchema, roots: set[GraphQLObjectType]) -> Iterator[str]:
    for kind, title in _KINDS.items():
        found = [
            type_
            for _, type_ in sorted(schema.type_map.items())
            if isinstance(type_, kind) and type_ not in roots and not _built_in(type_)
        ]
        if found:
            yield "\n\n".join([f"## {title}", *map(_type, found)])


def _built_in(type_: GraphQLNamedType) -> bool:
    return is_introspection_type(type_) or is_specified_scalar_type(type_)


def _type(type_: GraphQLNamedType) -> str:
    parts = [f"### {type_.name}", flat(type_.description)]
    if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
        if type_.interfaces:
            parts.append(f"Implements {', '.join(map(_link, type_.interfaces))}.")
        parts.append(_output(type_.fields))
    elif isinstance(type_, GraphQLInputObjectType):
        parts.append(_fields(type_.fields))
    elif isinstance(type_, GraphQLUnionType):
        parts.append(f"{', '.join(map(_link, type_.types))}.")
    elif isinstance(type_, GraphQLEnumType):
        rows = ([code(name), flat(value.description)] for name, value in type_.values.items())
        parts.append(table(["value", ""], rows))
    return "\n\n".join(part for part in parts if part)


def _output(fields: Mapping[str, GraphQLField]) -> str:
    def shown(name: str, field: GraphQLField) -> str:
        arguments = ", ".join(f"{each}: {a.type}" for each, a in field.args.items())
        return code(f"{name}({arguments})" if arguments else name)

    return table(
        ["field", "type", ""],
        ([shown(name, f), _link(f.type), _described(f)] for name, f in fields.items()),
    )


def _fields(fields: Mapping[str, GraphQLArgument]) -> str:
    """Return the table of arguments, or of the fields of an input."""
    return table(
        ["argument", "type", "default", ""],
        (
            [code(name), _link(f.type), code(_default(f)), flat(f.description)]
            for name, f in fields.items()
        ),
    )


def _default(field: GraphQLArgument) -> str:
    node = field.ast_node and field.ast_node.default_value
    return print_ast(node) if node else ""


def _described(field: GraphQLField) -> str:
    deprecated = (
        f" **Deprecated:** {flat(field.deprecation_reason)}" if field.deprecation_reason else ""
    )
    return flat(field.description) + deprecated


def _link(type_: GraphQLType) -> str:
    """Return a type as a link to its heading."""
    named = get_named_type(type_)
    if _built_in(named):
        return code(type_)
    return f"[{code(type_)}](#{named.name.lower()})"
