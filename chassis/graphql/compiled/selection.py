"""Writes the Python function that completes a selection of data.

The function is given the value and answers what the client gets for it, or raises: then the value
is not as expected, or there is an error to be told, and graphql-core does it from the start.
"""

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList
from graphql.type.scalars import (
    serialize_boolean,
    serialize_float,
    serialize_id,
    serialize_int,
    serialize_string,
)
from strawberry.scalars import JSON
from strawberry.schema.schema_converter import CustomGraphQLEnumType
from strawberry.schema.types.scalar import DEFAULT_SCALAR_REGISTRY

from .plans import Run
from .types import (
    CAST,
    INERT,
    NotData,
    asks_is_type_of,
    attribute_of,
    class_of,
    classes_of,
)

MAX_FIELDS = 500
"""The most fields that one function completes; fragments can double a selection at each level."""

GIVEN = INERT | {dict, list}
"""What scalars give; JSON, which hands on what it is given, may be given it too."""
_AS_IT_IS: dict[Any, str] = {
    serialize_string: "type({0}) is str",
    serialize_id: "type({0}) is str",
    serialize_boolean: "({0} is True or {0} is False)",
    serialize_int: "type({0}) is int and -2147483648 <= {0} <= 2147483647",
    serialize_float: "type({0}) is float and -inf < {0} < inf",
}
"""What graphql-core's own scalars hand on unchanged."""


class Unexpected(Exception):  # noqa: N818  (a fact, not a failure)
    """A value is not what the function was written for."""


def compile_value(
    executor: Executor[Any], type_: GraphQLOutputType, selection: FieldDetailsList
) -> Run | None:
    """A function from a value of this type to its completed value."""
    return _compile(executor, lambda writer: writer.value(type_, selection, "value", 1))


def compile_attribute(
    executor: Executor[Any], parent: GraphQLObjectType, selection: FieldDetailsList
) -> Run | None:
    """A function from an object of type `parent` to the completed value of one of its fields."""

    def write(writer: "Writer") -> None:
        check_selection(selection)
        if selection[0].node.name.value == "__typename":
            writer.line(1, f"value = {parent.name!r}")
            return
        cls = class_of(parent)
        writer.line(1, f"if type(value) is not {writer.bind('cls', cls)}: raise Unexpected")
        writer.field(parent, cls, selection, "value", "value", 1)

    return _compile(executor, write)


def _compile(executor: Executor[Any], write: Callable[["Writer"], None]) -> Run | None:
    writer = Writer(executor)
    try:
        write(writer)
        return writer.function()
    except Exception:  # what cannot be compiled is left to the stock executor
        return None


def check_selection(selection: FieldDetailsList) -> None:
    """Raises NotData for fields with a directive that does more than select."""
    for node, defer_usage, fragment_variables in selection:
        if defer_usage is not None or fragment_variables is not None:
            raise NotData
        for directive in node.directives or ():
            if directive.name.value not in ("skip", "include"):
                raise NotData


class Writer:
    """One function in the making: its lines, and the objects that it names."""

    def __init__(self, executor: Executor[Any]) -> None:
        self._executor = executor
        self._lines = ["def run(value):"]
        self._names: dict[str, object] = {"Unexpected": Unexpected, "inf": float("inf")}
        self._variables = 0
        self._fields = 0

    def line(self, depth: int, text: str) -> None:
        self._lines.append(" " * depth + text)

    def bind(self, kind: str, thing: object) -> str:
        """A name for an object in the function."""
        name = f"{kind}{len(self._names)}"
        self._names[name] = thing
        return name

    def function(self) -> Run:
        self.line(1, "return value")
        # Of what a client wrote, only names of fields get here, and these as literals.
        exec(compile("\n".join(self._lines), "<selection>", "exec"), self._names)  # noqa: S102
        run: Any = self._names["run"]
        return run  # type: ignore[no-any-return]

    def value(
        self, type_: GraphQLOutputType, selection: FieldDetailsList, name: str, depth: int
    ) -> None:
        """Completes the variable `name`, in its place."""
        check_selection(selection)
        if is_non_null_type(type_):
            type_ = type_.of_type
        else:
            self.line(depth, f"if {name} is not None:")
            depth += 1
        if is_leaf_type(type_):
            self._leaf(type_, name, depth)
        elif is_list_type(type_):
            self.line(depth, f"if type({name}) is not list and type({name}) is not tuple:")
            self.line(depth + 1, "raise Unexpected")
            items, item = self._variable(), self._variable()
            self.line(depth, f"{items} = []")
            self.line(depth, f"for {item} in {name}:")
            self.value(type_.of_type, selection, item, depth + 1)
            self.line(depth + 1, f"{items}.append({item})")
            self.line(depth, f"{name} = {items}")
        elif is_object_type(type_):
            cls = class_of(type_)
            self.line(depth, f"if type({name}) is not {self.bind('cls', cls)}: raise Unexpected")
            self._object(type_, cls, selection, name, depth, cast=asks_is_type_of(type_))
        elif is_abstract_type(type_):
            found = self._variable()
            self.line(depth, f"{found} = type({name})")
            start = "if"
            for cls, member in classes_of(self._executor.schema, type_):
                self.line(depth, f"{start} {found} is {self.bind('cls', cls)}:")
                self._object(member, cls, selection, name, depth + 1, cast=True)
                start = "elif"
            self.line(depth, "else: raise Unexpected")
        else:
            raise NotData

    def _variable(self) -> str:
        self._variables += 1
        return f"v{self._variables}"

    def _object(
        self,
        type_: GraphQLObjectType,
        cls: type,
        selection: FieldDetailsList,
        name: str,
        depth: int,
        *,
        cast: bool,
    ) -> None:
        if cast:
            self.line(depth, f"if getattr({name}, {CAST!r}, None) is not None: raise Unexpected")
        collected = self._executor.collect_subfields(type_, selection)
        if collected.new_defer_usages:
            raise NotData
        entries: list[str] = []
        for key, fields in collected.grouped_field_set.items():
            if fields[0].node.name.value == "__typename":
                check_selection(fields)
                entries.append(f"{key!r}: {type_.name!r}")
                continue
            variable = self._variable()
            self.field(type_, cls, fields, name, variable, depth)
            entries.append(f"{key!r}: {variable}")
        self.line(depth, f"{name} = {{{', '.join(entries)}}}")

    def field(
        self,
        parent: GraphQLObjectType,
        cls: type,
        selection: FieldDetailsList,
        source: str,
        name: str,
        depth: int,
    ) -> None:
        """Sets the variable `name` to the completed field of the object in `source`."""
        self._fields += 1
        node = selection[0].node
        definition = self._executor.schema.get_field(parent, node.name.value)
        if self._fields > MAX_FIELDS or definition is None or node.arguments:
            raise NotData
        self.line(depth, f"{name} = {source}.{attribute_of(definition, cls)}")
        self.value(definition.type, selection, name, depth)

    def _leaf(self, type_: GraphQLLeafType, name: str, depth: int) -> None:
        if isinstance(type_, GraphQLEnumType):
            members = self.bind("members", _members(type_))
            self.line(depth, f"found = {members}.get(id({name}))")
            unless = "found is None"
        elif as_it_is := _AS_IT_IS.get(type_.coerce_output_value):
            unless = f"not ({as_it_is.format(name)})"
        else:
            unless = ""
        if unless:
            self.line(depth, f"if {unless}:")
            self._coerce(type_, name, depth + 1)
        else:
            self._coerce(type_, name, depth)
        if isinstance(type_, GraphQLEnumType):
            self.line(depth, f"else: {name} = found")

    def _coerce(self, type_: GraphQLLeafType, name: str, depth: int) -> None:
        """What the type itself makes of a value, where it is safe to ask."""
        coerce = type_.coerce_output_value
        accepted = GIVEN if coerce is DEFAULT_SCALAR_REGISTRY[JSON].serialize else INERT
        self.line(depth, f"if type({name}) not in {self.bind('accepted', accepted)}:")
        self.line(depth + 1, "raise Unexpected")
        self.line(depth, f"{name} = {self.bind('coerce', coerce)}({name})")
        self.line(depth, f"if type({name}) not in {self.bind('given', GIVEN)}:")
        self.line(depth + 1, "raise Unexpected")


def _members(type_: GraphQLEnumType) -> dict[int, str]:
    """The names of the members of the Python enum by identity: they live as long as the type."""
    names: dict[int, str] = {}
    if type(type_) is CustomGraphQLEnumType:
        members: Any = type_.wrapped_cls
        for member in members:
            try:
                names[id(member)] = type_.coerce_output_value(member)
            except Exception:  # noqa: S112  (it will be told where it is selected)
                continue
    return names
