"""Calls the resolver of a Strawberry field with the arguments that Strawberry would pass.

For each call Strawberry inspects each argument's type again. Only the values differ.
"""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLSchema,
    NullValueNode,
    Undefined,
    VariableNode,
    is_enum_type,
    is_non_null_type,
    is_required_argument,
)
from graphql.utilities import coerce_input_literal
from graphql.utilities.coerce_input_value import coerce_default_value
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import StrawberryArgument
from strawberry.utils.await_maybe import await_maybe

from .inputs import Conversions, Convert
from .recognition import NotData, field_with_resolver, handlers_of, takes_unchanged

_Find = Callable[[Mapping[str, Any]], Any]
Values = list[tuple[str, str, Convert | None, Any]]
"""For each argument its name, its parameter, the conversion of its value if any, and the value."""

_TAKEN = frozenset({"_source", "info"})
"""Parameters of Strawberry's functions around a resolver: an argument of this name is an error."""


class Unusual(Exception):
    """An argument is missing or null where it must not be: graphql-core reports it."""


class Resolver:
    """The resolver of a field, for one field of a document."""

    __slots__ = ("_arguments", "_call", "_field", "_handlers", "_info_class", "is_async")

    def __init__(
        self,
        schema: GraphQLSchema,
        definition: GraphQLField,
        node: FieldNode,
        conversions: Conversions | None = None,
    ) -> None:
        """Raises NotData where Strawberry has to call the resolver."""
        field, resolver, converter = field_with_resolver(schema, definition)
        if conversions is None or conversions.converter is not converter:
            conversions = Conversions(converter)
        nodes = {argument.name.value: argument.value for argument in node.arguments or ()}
        self._arguments = [
            (name, *_parameter(name, argument, conversions), find)
            for name, argument in definition.args.items()
            if (find := _value(argument, nodes.get(name))) is not None
        ]
        self._info_class = converter.config.info_class
        self._field = field
        self._handlers = handlers_of(field, converter)
        for_source = [p.name for p in (resolver.parent_parameter, resolver.root_parameter) if p]
        for_info = resolver.info_parameter and resolver.info_parameter.name
        takes_self = resolver.self_parameter is not None

        def call(source: Any, info: Any, values: Values) -> Any:
            given = {
                name: convert(value, info, (argument,)) if convert else value
                for argument, name, convert, value in values
            }
            for name in for_source:
                given[name] = source
            if for_info:
                given[for_info] = info
            return resolver(source, **given) if takes_self else resolver(**given)

        self._call = call
        self.is_async = field.is_async
        """Then arguments too are converted only when the call is awaited, as Strawberry does."""

    def call(self, source: Any, raw_info: Any, values: Values) -> Any:
        """Return what the resolver returns for these values. Raises what it raises."""
        return self._call(source, self._info(raw_info), values)

    async def call_later(
        self, source: Any, raw_info: Any, values: Values, is_awaitable: Callable[[Any], bool]
    ) -> Any:
        """Return the same of an async field, whose exceptions may have a handler."""
        info = self._info(raw_info)
        try:
            result = self._call(source, info, values)
            return await result if is_awaitable(result) else result
        except Exception as error:
            for classes, handler in self._handlers:
                if isinstance(error, classes):
                    handled = await await_maybe(handler.handle(error, field=self._field, info=info))
                    if handled is not None:
                        return handled
                    break
            raise

    def _info(self, raw_info: Any) -> Any:
        return self._info_class(_raw_info=raw_info, _field=self._field)

    def values(self, variables: Mapping[str, Any]) -> Values:
        """Return the arguments of a call. Runs no code of the application. Raises Unusual."""
        return [
            (argument, name, convert, value)
            for argument, name, convert, find in self._arguments
            if (value := find(variables)) is not Undefined
        ]


def _parameter(
    name: str, argument: GraphQLArgument, conversions: Conversions
) -> tuple[str, Convert | None]:
    """Return the name of the parameter, and the conversion of its values if they need one."""
    definition = argument.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if not isinstance(definition, StrawberryArgument) or argument.out_name not in (None, name):
        raise NotData(f"its argument {name} is not Strawberry's")
    if not _TAKEN.isdisjoint({name, definition.python_name}):
        raise NotData(f"its argument {name} has the name of a parameter of Strawberry's")
    return definition.python_name, conversions.of(definition.type)


def _value(argument: GraphQLArgument, node: Any) -> _Find | None:
    """Return what finds the argument's value, `Undefined` for none; None where it never has one.

    Raises NotData for a literal that must be read again each time: one that a custom scalar reads,
    that contains variables, or whose value a resolver could change.
    """
    default = coerce_default_value(argument)
    required = is_required_argument(argument)
    if node is None:
        if required:
            raise NotData("a required argument is missing")
        return None if default is Undefined else lambda _: default
    nullable = not is_non_null_type(argument.type)
    if isinstance(node, VariableNode):
        return _variable(node.name.value, default, required=required, nullable=nullable)
    type_: Any = argument.type if nullable else argument.type.of_type  # type: ignore[union-attr]
    if not (isinstance(node, NullValueNode) or is_enum_type(type_) or takes_unchanged(type_)):
        raise NotData(f"an argument is a literal of the type {argument.type}; use a variable")
    value = coerce_input_literal(node, argument.type)
    if value is Undefined:
        raise NotData("an argument is invalid")
    return lambda _: value


def _variable(name: str, default: Any, *, required: bool, nullable: bool) -> _Find:
    def find(variables: Mapping[str, Any]) -> Any:
        value = variables.get(name, default)
        if (value is None and not nullable) or (value is Undefined and required):
            raise Unusual
        return value

    return find
