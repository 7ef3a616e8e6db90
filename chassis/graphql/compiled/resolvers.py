"""Calls the resolver of a Strawberry field with what Strawberry would call it with.

Strawberry builds the arguments of each call through several functions that look at each type anew.
What they find out is the same each time, but for the values.
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

from .inputs import Convert, conversion
from .types import NotData, field_with_resolver, handlers_of, takes_as_it_is

_Find = Callable[[Mapping[str, Any]], Any]
Values = list[tuple[str, str, Convert | None, Any]]
"""Arguments, the parameters they go to, what makes each one's value of the argument's, and that."""


class Unusual(Exception):  # noqa: N818  (a fact, not a failure)
    """An argument is missing or null where it must not be: there is an error to be told."""


class Resolver:
    """The resolver of a field, for one place of a document."""

    __slots__ = ("_arguments", "_call", "_field", "_handlers", "_info_class", "is_async")

    def __init__(self, schema: GraphQLSchema, definition: GraphQLField, node: FieldNode) -> None:
        """Raises NotData where Strawberry has to be asked."""
        field, resolver, converter = field_with_resolver(schema, definition)
        nodes = {argument.name.value: argument.value for argument in node.arguments or ()}
        self._arguments = [
            (name, *_parameter(name, argument, converter), find)
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
        """Then nothing happens, not even to its arguments, before it is awaited."""

    def call(self, source: Any, raw_info: Any, values: Values) -> Any:
        """Gives what the resolver gives for these values. Raises what it raises."""
        return self._call(source, self._info(raw_info), values)

    async def call_later(
        self, source: Any, raw_info: Any, values: Values, is_awaitable: Callable[[Any], bool]
    ) -> Any:
        """The same of an async field, whose exceptions may have a handler."""
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
        """What to call it with. Runs nobody's code. Raises Unusual."""
        return [
            (argument, name, convert, value)
            for argument, name, convert, find in self._arguments
            if (value := find(variables)) is not Undefined
        ]


def _parameter(
    name: str, argument: GraphQLArgument, converter: GraphQLCoreConverter
) -> tuple[str, Convert | None]:
    """The name of the parameter, and what makes its value of the argument's, if need be."""
    definition = argument.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if not isinstance(definition, StrawberryArgument) or argument.out_name not in (None, name):
        raise NotData
    return definition.python_name, conversion(definition.type, converter)


def _value(argument: GraphQLArgument, node: Any) -> _Find | None:
    """What finds the argument's value, `Undefined` for none; None where there never is one.

    Raises NotData for a literal that has to be read anew each time: by somebody's scalar, with
    variables in it, or as what a resolver could change.
    """
    default = coerce_default_value(argument)
    required = is_required_argument(argument)
    if node is None:
        if required:
            raise NotData  # an error
        return None if default is Undefined else lambda _: default
    nullable = not is_non_null_type(argument.type)
    if isinstance(node, VariableNode):
        return _variable(node.name.value, default, required=required, nullable=nullable)
    type_: Any = argument.type if nullable else argument.type.of_type  # type: ignore[union-attr]
    if not (isinstance(node, NullValueNode) or is_enum_type(type_) or takes_as_it_is(type_)):
        raise NotData
    value = coerce_input_literal(node, argument.type)
    if value is Undefined:
        raise NotData  # an error
    return lambda _: value


def _variable(name: str, default: Any, *, required: bool, nullable: bool) -> _Find:
    def find(variables: Mapping[str, Any]) -> Any:
        value = variables.get(name, default)
        if (value is None and not nullable) or (value is Undefined and required):
            raise Unusual
        return value

    return find
