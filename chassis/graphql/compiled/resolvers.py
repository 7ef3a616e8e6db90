"""Calls the resolver of a Strawberry field with what Strawberry would call it with.

Strawberry builds the arguments of each call through several functions that look at each type anew.
What they find out is the same each time, but for the values.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import Any

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLSchema,
    Undefined,
    VariableNode,
    is_non_null_type,
    is_required_argument,
)
from graphql.utilities import coerce_input_literal
from graphql.utilities.coerce_input_value import coerce_default_value
from strawberry import ID
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import StrawberryArgument, convert_argument
from strawberry.types.base import StrawberryOptional
from strawberry.types.enum import StrawberryEnumDefinition

from .types import INERT, NotData, field_with_resolver

Resolve = Callable[[Any, Any, Mapping[str, Any]], Any]
"""Given the source, graphql-core's info and the variables; raises Unusual before it calls."""

_Value = Callable[[Mapping[str, Any]], Any]
_Convert = Callable[..., Any]

_PLAIN: tuple[Any, ...] = (int, float, str, bool, ID)
"""Arguments of these types reach a resolver as they are."""


class Unusual(Exception):  # noqa: N818  (a fact, not a failure)
    """An argument is missing or null where it must not be: there is an error to be told."""


def compile_resolver(schema: GraphQLSchema, definition: GraphQLField, node: FieldNode) -> Resolve:
    """Raises NotData where Strawberry has to be asked."""
    field, resolver, converter = field_with_resolver(schema, definition)
    info_class = converter.config.info_class
    nodes = {argument.name.value: argument.value for argument in node.arguments or ()}
    arguments = [
        (*_parameter(name, argument, converter), value)
        for name, argument in definition.args.items()
        if (value := _value(argument, nodes.get(name))) is not None
    ]
    for_source = [p.name for p in (resolver.parent_parameter, resolver.root_parameter) if p]
    for_info = resolver.info_parameter and resolver.info_parameter.name
    takes_self = resolver.self_parameter is not None

    def resolve(source: Any, raw_info: Any, variables: Mapping[str, Any]) -> Any:
        info = info_class(_raw_info=raw_info, _field=field)
        given: dict[str, Any] = {}
        for name, convert, find in arguments:
            value = find(variables)
            if value is not Undefined:
                given[name] = convert(value, info=info) if convert else value
        for name in for_source:
            given[name] = source
        if for_info:
            given[for_info] = info
        return resolver(source, **given) if takes_self else resolver(**given)

    return resolve


def _parameter(
    name: str, argument: GraphQLArgument, converter: GraphQLCoreConverter
) -> tuple[str, _Convert | None]:
    """The name of the parameter, and what makes its value of the argument's, if need be."""
    definition = argument.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if not isinstance(definition, StrawberryArgument) or argument.out_name not in (None, name):
        raise NotData
    type_: Any = definition.type
    inner = type_.of_type if type(type_) is StrawberryOptional else type_
    if inner in _PLAIN or isinstance(inner, StrawberryEnumDefinition):
        return definition.python_name, None
    return definition.python_name, partial(
        convert_argument,
        type_=type_,
        scalar_registry=converter.scalar_registry,
        config=converter.config,
        path=(name,),
    )


def _value(argument: GraphQLArgument, node: Any) -> _Value | None:
    """What finds the argument's value, `Undefined` for none; None where there never is one."""
    default = coerce_default_value(argument)
    if isinstance(node, VariableNode):
        return _variable(argument, node.name.value, _inert(default))
    value = default if node is None else coerce_input_literal(node, argument.type)
    if value is Undefined:
        if node is not None or is_required_argument(argument):
            raise NotData  # there is an error to be told
        return None
    constant = _inert(value)
    return lambda _: constant


def _variable(argument: GraphQLArgument, name: str, default: Any) -> _Value:
    required = is_required_argument(argument)
    nullable = not is_non_null_type(argument.type)

    def find(variables: Mapping[str, Any]) -> Any:
        value = variables.get(name, default)
        if (value is None and not nullable) or (value is Undefined and required):
            raise Unusual
        return value

    return find


def _inert(value: Any) -> Any:
    """A value that may be given again and again. Raises NotData for what a resolver can change."""
    if value is None or value is Undefined or isinstance(value, (*INERT, Enum)):
        return value
    raise NotData
