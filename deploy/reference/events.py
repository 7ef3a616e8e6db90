"""The reference of events, from the functions that make them and from their examples."""

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.topology import ROOT, Service, Topology
from deploy.reference.markdown import code, codes, page, table
from deploy.reference.sources import module, sentence

EXAMPLES = ROOT / "tests" / "contract" / "events"
"""An example for each event, which a contract test compares with the code."""

_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


@dataclass(frozen=True, slots=True)
class Published:
    """An event type of a service."""

    type: str
    meaning: str
    fields: frozenset[str]
    """The names in `data`, at any depth, those that only some events have included."""


def published(service: Service) -> Iterator[Published]:
    """Yield the event types of a service that its `events.py` makes, in the order of the source."""
    tree = module(ROOT / service.folder / "events.py")
    constants = {
        target.id: str(node.value.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in tree.body:
        if (
            isinstance(node, ast.FunctionDef)
            and not node.name.startswith("_")
            and isinstance(node.returns, ast.Name)
            and node.returns.id == "Event"
        ):
            for name in dict.fromkeys(_constants_in(node)):
                if name in constants and name not in {"STREAM", "SOURCE"}:
                    docs = sentence(ast.get_docstring(node)).replace(
                        "Return the event", "The event"
                    )
                    yield Published(constants[name], docs, frozenset(_keys(node)))


def _constants_in(function: ast.FunctionDef) -> Iterator[str]:
    names = [n for n in ast.walk(function) if isinstance(n, ast.Name) and n.id.isupper()]
    yield from (node.id for node in sorted(names, key=lambda n: (n.lineno, n.col_offset)))


def _keys(function: ast.FunctionDef) -> Iterator[str]:
    """Yield the keys that the function writes into mappings."""
    for node in ast.walk(function):
        if isinstance(node, ast.Dict):
            keys: list[ast.expr | None] = [*node.keys]
        elif isinstance(node, ast.Assign):
            keys = [t.slice for t in node.targets if isinstance(t, ast.Subscript)]
        else:
            continue
        for key in keys:
            if isinstance(key, ast.Constant):
                yield str(key.value)


def text(topology: Topology) -> str:
    """Return the page."""
    return page(
        "events.py of each service and tests/contract/events/",
        "Events",
        "[CloudEvents](https://cloudevents.io) 1.0 in JSON, in the field `event` of each entry of "
        "a Redis stream. They are published at least once and in order for each subject; an event "
        "that is repeated has the same `id` ([ADR 3](../adr/0003-outbox-and-streams.md)). Fields "
        "are added, never renamed or removed. "
        "[How to publish and consume one](../guides/events.md).",
        *(
            _of_service(service, topology)
            for service in topology.services.values()
            if service.publishes
        ),
    )


def _of_service(service: Service, topology: Topology) -> str:
    consumers = sorted(topology.consumers_of(service.name))
    return "\n\n".join(
        [
            f"## {service.name}",
            f"Stream {code(service.stream)}; consumer groups: {codes(consumers) or 'none'}.",
            *(_of_type(each) for each in published(service)),
        ]
    )


def _of_type(event: Published) -> str:
    parts = [f"### {event.type}", event.meaning]
    file = EXAMPLES / f"{event.type}.json"
    example = json.loads(file.read_text()) if file.exists() else None
    rows = [*_rows(example["data"])] if example else []
    shown = {part for name, _ in rows for part in name.split(".")}
    rows += [(name, "only in some events") for name in sorted(event.fields - shown)]
    parts.append(table(["field of `data`", "type"], [[code(name), type_] for name, type_ in rows]))
    if example:
        indented = json.dumps(example, indent=2, ensure_ascii=False)
        parts.append(f"```json\n{indented}\n```")
    return "\n\n".join(part for part in parts if part)


def _rows(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _rows(value, f"{prefix}{name}.")
        else:
            yield prefix + name, _type(value)


def _type(value: Any) -> str:
    if isinstance(value, list):
        return f"list of {_type(value[0])}"
    if not isinstance(value, str):
        return _NAMES[type(value)]
    if "T" in value and value.endswith("Z"):
        return "string, a time (RFC 3339)"
    try:
        UUID(value)
    except ValueError:
        return "string"
    return "string, an id (UUID)"
