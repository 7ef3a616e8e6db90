"""What a value of a GraphQL type must be for its attributes to be read without asking anyone.

Here the executor's knowledge of Strawberry is kept: which of its resolvers only read an attribute,
how it tells the members of a union and an interface apart, what it lets a scalar be.
"""

import datetime
import decimal
import uuid
from abc import ABCMeta
from collections.abc import Callable, Sequence
from math import isfinite
from types import MemberDescriptorType
from typing import Any

from graphql import (
    GraphQLAbstractType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
)
from graphql.type.scalars import (
    coerce_boolean,
    coerce_float,
    coerce_id,
    coerce_int,
    coerce_string,
)
from strawberry.schema.exception_handlers import ExceptionHandler
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

CAST = TYPE_CAST_ATTRIBUTE
"""Where `strawberry.cast` notes that an object stands for another type."""

INERT: frozenset[type] = frozenset(
    {
        str, int, float, bool, bytes, complex, decimal.Decimal, uuid.UUID,
        datetime.date, datetime.datetime, datetime.time, datetime.timedelta,
    }
)  # fmt: skip
"""What scalars are given at once: immutable, no error, nothing to await.

A scalar's serializer is thus called on nothing that a call could use up, and calling it a second
time, should the plan fail further on, gives what it gave the first time.
"""

_INSTANCE_CHECKS: tuple[Any, ...] = (type.__instancecheck__, ABCMeta.__instancecheck__)
_BASIC = "GraphQLCoreConverter.from_resolver.<locals>._get_basic_result"
_WITH_RESOLVER = (
    "GraphQLCoreConverter.from_resolver.<locals>._resolver",
    "GraphQLCoreConverter.from_resolver.<locals>._async_resolver",
)
_IS_TYPE_OF = "GraphQLCoreConverter.from_object.<locals>._get_is_type_of.<locals>.is_type_of"
_OF_INTERFACE = (
    "GraphQLCoreConverter.from_interface.<locals>._get_resolve_type.<locals>.resolve_type"
)
_OF_UNION = "StrawberryUnion.get_type_resolver.<locals>._resolve_union_type"


class NotData(Exception):  # noqa: N818  (a fact, not a failure)
    """Only the stock executor can complete this."""


def _is(function: object, qualname: str) -> bool:
    """Whether this is the function that Strawberry makes at this place of its code."""
    return (
        getattr(function, "__qualname__", "") == qualname
        and getattr(function, "__module__", "").split(".")[0] == "strawberry"
    )


def _definition(type_: object) -> StrawberryObjectDefinition:
    definition = getattr(type_, "extensions", {}).get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if isinstance(definition, StrawberryObjectDefinition):
        return definition
    raise NotData


def _static(cls: type, name: str) -> object:
    """What the class itself has under this name; no descriptor is called."""
    for base in cls.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None


def class_of(type_: GraphQLObjectType) -> type:
    """The class whose instances are values of this type. Raises NotData."""
    definition = _definition(type_)
    # `Edge[int]` has a class of its own to hold its fields; its values are of class `Edge`.
    cls = (definition.concrete_of or definition).origin
    if (
        not isinstance(cls, type)
        or issubclass(cls, BaseException)
        or _static(cls, "__getattribute__") is not object.__getattribute__
        or any(_static(cls, name) is not None for name in ("__getattr__", "__await__"))
    ):
        raise NotData
    return cls


def asks_is_type_of(type_: GraphQLObjectType) -> bool:
    """Whether Strawberry looks at an object's cast before it takes it for this type.

    Raises NotData where the type has an `is_type_of` of its own.
    """
    if type_.is_type_of is None:
        return False
    if _definition(type_).is_type_of is not None or not _is(type_.is_type_of, _IS_TYPE_OF):
        raise NotData
    return True


def attribute_of(field: GraphQLField, cls: type) -> str:
    """The attribute that this field of the class only reads. Raises NotData."""
    definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if (
        not isinstance(definition, StrawberryField)
        or not _is(field.resolve, _BASIC)
        or field.args
        or not definition.is_basic_field
        or type(definition).get_result is not StrawberryField.get_result
        or definition.default_resolver is not getattr
    ):
        raise NotData
    name = definition.python_name
    # Other identifiers are normalised by Python's parser and by getattr are not.
    if not (name.isascii() and name.isidentifier()):
        raise NotData
    found = _static(cls, name)
    if hasattr(type(found), "__get__") and not isinstance(found, MemberDescriptorType):
        raise NotData  # a property, a cached property, a method: code
    return name


_BUILT_IN_INPUT: tuple[tuple[Any, Callable[[Any], bool]], ...] = (
    (coerce_string, lambda value: type(value) is str),
    (coerce_id, lambda value: type(value) is str),
    (coerce_boolean, lambda value: type(value) is bool),
    (coerce_int, lambda value: type(value) is int and -(2**31) <= value < 2**31),
    (coerce_float, lambda value: type(value) is float and isfinite(value)),
)
"""The parsers of graphql-core's own scalars, and the values that they take unchanged."""


def takes_as_it_is(type_: object) -> Callable[[Any], bool] | None:
    """Tells which values one of graphql-core's own scalars takes unchanged; None for all else.

    By identity: a parser of somebody's may be anything, not even hashable.
    """
    parse = getattr(type_, "coerce_input_value", None)
    return next((taken for parser, taken in _BUILT_IN_INPUT if parser is parse), None)


def field_with_resolver(
    schema: GraphQLSchema, field: GraphQLField
) -> tuple[StrawberryField, StrawberryResolver[Any], GraphQLCoreConverter]:
    """A field that does no more than to call its resolver: that, and Strawberry's idea of types.

    Raises NotData where extensions or permissions stand around it, or where exceptions of what is
    called at once have handlers.
    """
    definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    converter = getattr(getattr(schema, "_strawberry_schema", None), "schema_converter", None)
    if (
        not isinstance(definition, StrawberryField)
        or not isinstance(converter, GraphQLCoreConverter)
        or not any(_is(field.resolve, name) for name in _WITH_RESOLVER)
        or type(definition).get_result is not StrawberryField.get_result
        or definition.base_resolver is None
        or definition.extensions
        or (handlers_of(definition, converter) and not definition.is_async)
    ):
        raise NotData
    return definition, definition.base_resolver, converter


def handlers_of(
    field: StrawberryField, converter: GraphQLCoreConverter
) -> Sequence[tuple[tuple[type[Exception], ...], ExceptionHandler[Any, Any]]]:
    """Who makes data of a field's exceptions: the first whose classes have it."""
    return converter._get_field_exception_handlers(field)  # noqa: SLF001


def classes_of(
    schema: GraphQLSchema, type_: GraphQLAbstractType
) -> list[tuple[type, GraphQLObjectType]]:
    """The classes whose very instances are known to be of one member of this type.

    Generic types are left out: what they are depends on their values. Raises NotData.
    """
    if isinstance(type_, GraphQLUnionType):
        known = _is(type_.resolve_type, _OF_UNION)
        interface = None
    else:
        assert isinstance(type_, GraphQLInterfaceType)  # noqa: S101  (there is no other)
        definition = _definition(type_)
        known = definition.resolve_type is None and _is(type_.resolve_type, _OF_INTERFACE)
        interface = definition.origin
        metaclass: Any = type(interface)
        known = known and metaclass.__instancecheck__ in _INSTANCE_CHECKS
    if not known:
        raise NotData
    classes: dict[type, GraphQLObjectType] = {}
    for member in schema.get_possible_types(type_):
        try:
            cls = _class_of_member(schema, member, interface)
        except NotData:
            continue
        if cls in classes:
            raise NotData
        classes[cls] = member
    if not classes:
        raise NotData
    return list(classes.items())


def _class_of_member(
    schema: GraphQLSchema, member: GraphQLObjectType, interface: type | None
) -> type:
    definition = _definition(member)
    cls = class_of(member)
    asks_is_type_of(member)
    converter: Any = getattr(schema, "_strawberry_schema", None)
    registered = converter and converter.schema_converter.type_map.get(member.name)
    if (
        definition.is_graphql_generic
        or definition.concrete_of is not None
        or cls.__dict__.get("__strawberry_definition__") is not definition
        or registered is None
        or registered.definition is not definition
    ):
        raise NotData
    if interface is None:
        if registered.implementation is not member:
            raise NotData
    elif not issubclass(cls, interface) or definition.name != member.name:
        raise NotData
    return cls
