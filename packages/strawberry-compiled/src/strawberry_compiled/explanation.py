"""Shows which selections of a document run compiled, and why others do not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from graphql import (
    DocumentNode,
    GraphQLObjectType,
    GraphQLOutputType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    parse,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList, collect_fields
from strawberry.schema import BaseSchema
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from .calls import Call
from .context import CompilingExecutionContext, obstacle
from .limits import COMPILE_FROM, Measure, TooLarge
from .plans import conditions
from .recognition import NotData
from .writer import Writer

How = Literal["compiled", "called", "graphql-core"]


@dataclass(frozen=True, slots=True)
class FieldExplanation:
    """How one field of an operation is executed."""

    path: tuple[str, ...]
    """Names in the response, from the root; list indices are left out."""
    field: str
    """`Type.field`."""
    how: How
    """`compiled`: data, part of a compiled function. `called`: its resolver is called directly."""
    reason: str
    """Why graphql-core executes it; empty where it does not."""
    fields: int
    """Fields of its value that one compiled function completes; 0 where there is none."""
    split: str
    """Why its value is not completed by one function; empty where it is, and for scalars."""

    def __str__(self) -> str:
        if self.how == "compiled":
            return f"compiled, {self._count()}"
        text = "resolver called directly"
        if self.how == "graphql-core":
            text = f"graphql-core, because {self.reason}"
        if self.fields:
            return f"{text}; its value is compiled, {self._count()}"
        if self.split:
            return f"{text}; its value is completed in parts ({self.split})"
        return text

    def _count(self) -> str:
        return "1 field" if self.fields == 1 else f"{self.fields} fields"


@dataclass(frozen=True, slots=True)
class Explanation:
    """How an operation is executed."""

    reason: str
    """Why graphql-core executes all of it; empty where it does not."""
    fields: tuple[FieldExplanation, ...] = ()
    """Fields in the order of the response, without those inside a compiled function."""

    def __str__(self) -> str:
        if self.reason:
            return f"Runs on the stock executor: {self.reason}."
        lines = [
            f"{'  ' * len(field.path)}{field.path[-1]} ({field.field}): {field}"
            for field in self.fields
        ]
        return "\n".join([f"Compiled from execution {COMPILE_FROM} on.", *lines])


def explain(
    schema: BaseSchema,
    document: str | DocumentNode,
    variables: Mapping[str, Any] | None = None,
    operation_name: str | None = None,
) -> Explanation:
    """Explain how an operation is executed. Runs no resolver.

    What the values are is not known here: a compiled function gives up where they are not what the
    schema says, and graphql-core completes them. Raises GraphQLSyntaxError.
    """
    node = parse(document) if isinstance(document, str) else document
    core: Any = schema._schema  # type: ignore[attr-defined]  # noqa: SLF001
    executor = StrawberryGraphQLCoreExecutionContext.build(
        core, node, raw_variable_values=dict(variables or {}), operation_name=operation_name
    )
    if isinstance(executor, list):
        return Explanation(f"the request is invalid: {executor[0].message}")
    if reason := _reason(schema, node, executor):
        return Explanation(reason)
    root = core.get_root_type(executor.operation.operation)
    found = collect_fields(
        core, executor.fragments, executor.variable_values, root, executor.operation
    )
    if found.new_defer_usages:
        return Explanation("fields of its root are deferred")
    fields = [
        each
        for name, selection in found.grouped_field_set.items()
        for each in _field(executor, root, selection, (name,))
    ]
    return Explanation("", tuple(fields))


def _reason(schema: Any, document: DocumentNode, executor: Executor[Any]) -> str:
    cls = schema.execution_context_class
    if not issubclass(cls, CompilingExecutionContext):
        return f"the schema's execution_context_class is {cls.__qualname__}"
    if found := obstacle(cls):
        return found
    seeing = [each for each in schema.get_extensions() if each._implements_resolve()]  # noqa: SLF001
    if seeing:
        names = ", ".join(type(each).__name__ for each in seeing)
        return f"{names} must see every field (it has a `resolve` hook)"
    if conditions(document) is None:
        return "its fragments have variables"
    try:
        Measure(executor.schema, document).check(executor.operation)
    except TooLarge as large:
        return str(large)
    return ""


def _field(
    executor: Executor[Any],
    parent: GraphQLObjectType,
    selection: FieldDetailsList,
    path: tuple[str, ...],
) -> Iterator[FieldExplanation]:
    name = selection[0].node.name.value
    coordinate = f"{parent.name}.{name}"
    writer = Writer(executor)
    try:
        writer.write_attribute(parent, selection)
    except (NotData, TooLarge) as found:
        no_attribute = found
    else:
        yield FieldExplanation(path, coordinate, "compiled", "", max(1, writer.fields), "")
        return
    definition = executor.schema.get_field(parent, name)
    if definition is None:
        return
    how: How = "called"
    reason = ""
    try:
        Call(executor, parent, selection)
    except NotData as no_call:
        how = "graphql-core"
        reason = str(no_call if str(no_attribute) == "it has a resolver" else no_attribute)
    fields, split = _value(executor, definition.type, selection)
    yield FieldExplanation(path, coordinate, how, reason, fields, split)
    if split:
        yield from _parts(executor, definition.type, selection, path)


def _value(
    executor: Executor[Any], type_: GraphQLOutputType, selection: FieldDetailsList
) -> tuple[int, str]:
    """Return how many fields one function completes, or why there is none."""
    if is_leaf_type(get_named_type(type_)):
        return 0, ""
    writer = Writer(executor)
    try:
        writer.write_value(type_, selection)
    except (NotData, TooLarge) as reason:
        field = getattr(reason, "field", "")
        return 0, f"{field}: {reason}" if field else str(reason)
    return writer.fields, ""


def _parts(
    executor: Executor[Any],
    type_: GraphQLOutputType,
    selection: FieldDetailsList,
    path: tuple[str, ...],
) -> Iterator[FieldExplanation]:
    named: Any = get_named_type(type_)
    members = executor.schema.get_possible_types(named) if is_abstract_type(named) else [named]
    for member in members:
        collected = executor.collect_subfields(member, selection)
        for key, fields in collected.grouped_field_set.items():
            yield from _field(executor, member, fields, (*path, key))
