"""Writes the Python function that completes a selection of data.

The function takes the value and returns what the client gets for it, or raises: then a value is not
as expected, or there is an error to report, and graphql-core completes the value from the start.
"""

from collections.abc import Callable
from typing import Any

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLType,
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

from .limits import MAX_FUNCTION, TooLarge
from .recognition import (
    CAST,
    INERT,
    NotData,
    asks_is_type_of,
    attribute_of,
    class_of,
    classes_of,
)

Run = Callable[[Any], Any]

SERIALIZED = INERT | {dict, list}
"""The types of values that scalars return; the scalar JSON takes and returns all of them."""
_UNCHANGED: dict[Any, str] = {
    serialize_string: "type({0}) is str",
    serialize_id: "type({0}) is str",
    serialize_boolean: "({0} is True or {0} is False)",
    serialize_int: "type({0}) is int and -2147483648 <= {0} <= 2147483647",
    serialize_float: "type({0}) is float and -inf < {0} < inf",
}
"""The values that the scalars of graphql-core return unchanged."""


class Unexpected(Exception):
    """A value is not what the function was written for."""


def check_selection(selection: FieldDetailsList) -> None:
    """Raise NotData for a directive that does more than select."""
    for node, defer_usage, fragment_variables in selection:
        if defer_usage is not None:
            raise NotData("it is deferred")
        if fragment_variables is not None:
            raise NotData("its fragment has variables")
        for directive in node.directives or ():
            if directive.name.value not in ("skip", "include"):
                raise NotData(f"it has the directive @{directive.name.value}")


class Writer:
    """A function in the making: its lines, and the objects that they name."""

    def __init__(self, executor: Executor[Any]) -> None:
        self.fields = 0
        """Fields written."""
        self.refused: list[tuple[GraphQLType, FieldDetailsList]] = []
        """Types and selections that graphql-core must complete, found on the way."""
        self._executor = executor
        self._names: dict[str, Any] = {"Unexpected": Unexpected, "inf": float("inf")}
        self._bound: dict[tuple[str, int], str] = {}
        self._lines: list[str] = []
        self._variables = 0

    def write_value(self, type_: GraphQLOutputType, selection: FieldDetailsList) -> Run:
        """Return the function from a value of this type to its completed value.

        Raises NotData and TooLarge.
        """
        self._value(type_, selection, "value", 1)
        return self._function()

    def write_attribute(self, parent: GraphQLObjectType, selection: FieldDetailsList) -> Run:
        """Return the function from an object to the completed value of one of its fields.

        Raises NotData and TooLarge.
        """
        check_selection(selection)
        if selection[0].node.name.value == "__typename":
            self._line(1, f"value = {parent.name!r}")
        else:
            cls = class_of(parent)
            self._line(1, f"if type(value) is not {self._bind('cls', cls)}: raise Unexpected")
            self._field(parent, cls, selection, "value", "value", 1)
        return self._function()

    def _function(self) -> Run:
        source = "\n".join(["def run(value):", *self._lines, " return value"])
        # Of the client's text only the names of fields get here, and these as literals.
        exec(compile(source, "<compiled selection>", "exec"), self._names)  # noqa: S102
        run: Run = self._names["run"]
        return run

    def _line(self, depth: int, text: str) -> None:
        self._lines.append(" " * depth + text)

    def _bind(
        self, name: str, thing: object, make: Callable[[Any], object] = lambda thing: thing
    ) -> str:
        """Return the name by which the function knows an object, or what is made of it once."""
        key = name, id(thing)
        bound = self._bound.get(key)
        if bound is None:
            bound = self._bound[key] = f"{name}{len(self._bound)}"
            self._names[bound] = make(thing)
        return bound

    def _variable(self) -> str:
        self._variables += 1
        return f"v{self._variables}"

    def _value(
        self, type_: GraphQLOutputType, selection: FieldDetailsList, name: str, depth: int
    ) -> None:
        """Complete the variable `name`, in its place."""
        check_selection(selection)
        if is_non_null_type(type_):
            type_ = type_.of_type
        else:
            self._line(depth, f"if {name} is not None:")
            depth += 1
        try:
            if is_leaf_type(type_):
                self._leaf(type_, name, depth)
            elif is_list_type(type_):
                self._line(depth, f"if type({name}) is not list and type({name}) is not tuple:")
                self._line(depth + 1, "raise Unexpected")
                items, item = self._variable(), self._variable()
                self._line(depth, f"{items} = []")
                self._line(depth, f"for {item} in {name}:")
                self._value(type_.of_type, selection, item, depth + 1)
                self._line(depth + 1, f"{items}.append({item})")
                self._line(depth, f"{name} = {items}")
            elif is_object_type(type_):
                cls = self._bind("cls", class_of(type_))
                self._line(depth, f"if type({name}) is not {cls}: raise Unexpected")
                self._object(type_, selection, name, depth, cast=asks_is_type_of(type_))
            else:
                assert is_abstract_type(type_)  # noqa: S101  (there is no other)
                found = self._variable()
                self._line(depth, f"{found} = type({name})")
                start = "if"
                for member_class, member in classes_of(self._executor.schema, type_):
                    cls = self._bind("cls", member_class)
                    self._line(depth, f"{start} {found} is {cls}:")
                    self._object(member, selection, name, depth + 1, cast=True)
                    start = "elif"
                self._line(depth, "else: raise Unexpected")
        except NotData:
            self.refused.append((type_, selection))
            raise

    def _object(
        self,
        type_: GraphQLObjectType,
        selection: FieldDetailsList,
        name: str,
        depth: int,
        *,
        cast: bool,
    ) -> None:
        cls = class_of(type_)
        if cast:
            self._line(depth, f"if getattr({name}, {CAST!r}, None) is not None: raise Unexpected")
        collected = self._executor.collect_subfields(type_, selection)
        if collected.new_defer_usages:
            raise NotData("a part of it is deferred")
        entries: list[str] = []
        try:
            for key, fields in collected.grouped_field_set.items():
                if fields[0].node.name.value == "__typename":
                    check_selection(fields)
                    entries.append(f"{key!r}: {type_.name!r}")
                    continue
                variable = self._variable()
                self._field(type_, cls, fields, name, variable, depth)
                entries.append(f"{key!r}: {variable}")
        except NotData:
            self.refused.append((type_, selection))
            raise
        self._line(depth, f"{name} = {{{', '.join(entries)}}}")

    def _field(
        self,
        parent: GraphQLObjectType,
        cls: type,
        selection: FieldDetailsList,
        source: str,
        name: str,
        depth: int,
    ) -> None:
        """Set the variable `name` to the completed field of the object in `source`."""
        self.fields += 1
        if self.fields > MAX_FUNCTION:
            raise TooLarge(f"it has more than {MAX_FUNCTION} fields")
        node = selection[0].node
        definition = self._executor.schema.get_field(parent, node.name.value)
        try:
            self._line(depth, f"{name} = {source}.{_attribute(definition, node, cls)}")
            assert definition is not None  # noqa: S101  (or it would have no attribute)
            self._value(definition.type, selection, name, depth)
        except NotData as reason:
            reason.field = reason.field or f"{parent.name}.{node.name.value}"
            raise

    def _leaf(self, type_: GraphQLLeafType, name: str, depth: int) -> None:
        coerced = f"{name} = {self._bind('coerced', type_, _coercion)}({name})"
        if isinstance(type_, GraphQLEnumType):
            members = self._bind("members", type_, _members)
            self._line(depth, f"found = {members}.get(id({name}))")
            self._line(depth, f"if found is None: {coerced}")
            self._line(depth, f"else: {name} = found")
        elif unchanged := _UNCHANGED.get(type_.coerce_output_value):
            self._line(depth, f"if not ({unchanged.format(name)}): {coerced}")
        else:
            self._line(depth, coerced)


def _attribute(definition: GraphQLField | None, node: FieldNode, cls: type) -> str:
    if definition is None:
        raise NotData("it is not in the schema")
    name = attribute_of(definition, cls)
    if node.arguments:
        raise NotData("it has arguments that are not in the schema")
    return name


def _coercion(type_: GraphQLLeafType) -> Run:
    """Return the function that has the type coerce a value, where that is safe.

    It raises Unexpected, or what the type raises.
    """
    coerce = type_.coerce_output_value
    accepted = SERIALIZED if coerce is DEFAULT_SCALAR_REGISTRY[JSON].serialize else INERT

    def coerced(value: Any) -> Any:
        if type(value) not in accepted:
            raise Unexpected
        value = coerce(value)
        if type(value) not in SERIALIZED:
            raise Unexpected
        return value

    return coerced


def _members(type_: GraphQLEnumType) -> dict[int, str]:
    """Return the names of the Python enum's members by identity: they live as long as the type."""
    names: dict[int, str] = {}
    if type(type_) is CustomGraphQLEnumType:
        members: Any = type_.wrapped_cls
        for member in members:
            try:
                names[id(member)] = type_.coerce_output_value(member)
            except Exception:  # noqa: S112  (graphql-core reports it where it is selected)
                continue
    return names
