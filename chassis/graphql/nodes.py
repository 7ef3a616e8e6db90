"""Relay's global object identification over all subgraphs (ADR 32).

One subgraph serves `node(id)`. Of the types of other subgraphs it knows the name only, and refers
to an object by a hidden key, `ref`: the router then has to ask the owner for everything else, `id`
too, so the owner decides whether the object exists.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import strawberry
from strawberry.federation.schema_directives import Key

from chassis.graphql.ids import parse_id
from chassis.node_ids import tag_in, tag_of
from chassis.topology import FILE, declared

REF = "ref"
"""The hidden key of a type that another subgraph refers to."""


@strawberry.interface(
    description="An object that `node` finds by its id (Relay's global object identification)."
)
class Node:
    id: strawberry.ID = strawberry.field(description="The id, unique among all types.")


def ref_field() -> Any:
    """Return the field `ref` of a type with the keys `id` and `ref`."""
    return strawberry.federation.field(
        inaccessible=True, description="The id, in references from the subgraph of `node`."
    )


@cache
def foreign_types(service: str) -> Mapping[str, type]:
    """Return the types of nodes that other services declare, in their order, by name.

    An instance takes the id: `type_(ref=id)`. Raises TopologyError.
    """
    nodes = declared().nodes
    return {name: _foreign_type(name) for name, owner in nodes.items() if owner != service}


def _foreign_type(name: str) -> type:
    class Foreign(Node):
        id: strawberry.ID = strawberry.federation.field(external=True, default=strawberry.ID(""))
        ref: strawberry.ID = ref_field()

    keys = [Key(fields=REF, resolvable=False)]  # type: ignore[arg-type]
    return strawberry.federation.type(Foreign, name=name, keys=keys)


def type_named_by(id: str) -> str | None:
    """Return the declared type that an id names.

    None for an id of an earlier release, which names none; "" for any other text.
    """
    parsed = parse_id(id)
    if parsed is None:
        return ""
    tag = tag_in(parsed)
    if tag is None:
        return None
    return next((name for name in declared().nodes if tag_of(name) == tag), "")


def node_problems(service: str, types: Mapping[str, type]) -> Iterator[str]:
    """Yield one line for each type that is a node but not declared, or declared but no node.

    `types` are the Python classes of the subgraph's types, by name.
    """
    stanza = declared()[service]
    nodes = {
        name
        for name, class_ in types.items()
        if issubclass(class_, Node) and class_ is not Node and name not in foreign_types(service)
    }
    key = f"{FILE}: [services.{service}] nodes"
    for name in sorted(nodes - {*stanza.nodes}):
        yield f'{key} lacks "{name}", which implements Node; add it'
    for name in sorted({*stanza.nodes} - nodes):
        yield f'{key} has "{name}", which does not implement Node; let its class extend Node'
