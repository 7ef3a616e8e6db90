"""Recognises what Strawberry does for a type or a field, where that is known in advance.

The package's knowledge of Strawberry's inner workings is here: which of its resolvers only read an
attribute, how it finds the type of a member of a union or an interface, what it lets a scalar be.
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

STOCK = object()
"""Stands for the value that a plan returns where only graphql-core can complete it."""

CAST = TYPE_CAST_ATTRIBUTE
"""The attribute in which `strawberry.cast` notes that an object stands for another type."""

INERT: frozenset[type] = frozenset(
    {
        str, int, float, bool, bytes, complex, decimal.Decimal, uuid.UUID,
        datetime.date, datetime.datetime, datetime.time, datetime.timedelta,
    }
)  # fmt: skip
"""The types of the values that a compiled function passes to a scalar: immutable and final.

A serializer cannot use such a value up. Calling it again, should the function give up further on,
gives what it gave the first time.
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


class NotData(Exception):
    """graphql-core must complete this; the message is a clause that says why."""

    field = ""
    """The field that it is about, as `Type.field`, where it is not the one asked about."""


def _is(function: object, qualname: str) -> bool:
    """Return whether Strawberry defines this function under this name."""
    return (
        getattr(function, "__qualname__", "") == qualname
        and getattr(function, "__module__", "").split(".")[0] == "strawberry"
    )


def _definition(type_: object) -> StrawberryObjectDefinition:
    definition = getattr(type_, "extensions", {}).get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if isinstance(definition, StrawberryObjectDefinition):
        return definition
    raise NotData(f"{type_} is not a Strawberry type")


def _static(cls: type, name: str) -> object:
    """Return what the class holds under this name, without calling descriptors."""
    for base in cls.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None


def class_of(type_: GraphQLObjectType) -> type:
    """Return the class whose instances are values of this type.

    Raises NotData where reading an attribute of an instance may run code.
    """
    definition = _definition(type_)
    # `Edge[int]` has a class that holds its fields; its values are of the class `Edge`.
    cls = (definition.concrete_of or definition).origin
    if not isinstance(cls, type) or issubclass(cls, BaseException):
        raise NotData(f"{type_} is an exception")
    if _static(cls, "__getattribute__") is not object.__getattribute__ or any(
        _static(cls, name) is not None for name in ("__getattr__", "__await__")
    ):
        raise NotData(f"the class of {type_} computes attributes or is awaitable")
    return cls


def asks_is_type_of(type_: GraphQLObjectType) -> bool:
    """Return whether Strawberry looks at an object's cast before it takes it for this type.

    Raises NotData for a type with a custom `is_type_of`.
    """
    if type_.is_type_of is None:
        return False
    if _definition(type_).is_type_of is not None or not _is(type_.is_type_of, _IS_TYPE_OF):
        raise NotData(f"{type_} has a custom is_type_of")
    return True


def attribute_of(field: GraphQLField, cls: type) -> str:
    """Return the attribute that this field of the class reads. Raises NotData."""
    definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if not isinstance(definition, StrawberryField):
        raise NotData("it is not a Strawberry field")
    if definition.base_resolver is not None:
        raise NotData("it has a resolver")
    if (
        not _is(field.resolve, _BASIC)
        or field.args
        or not definition.is_basic_field
        or type(definition).get_result is not StrawberryField.get_result
        or definition.default_resolver is not getattr
    ):
        raise NotData("it has a permission, an extension or a custom way to get its value")
    name = definition.python_name
    # Python's parser normalises other identifiers, getattr does not.
    if not (name.isascii() and name.isidentifier()):
        raise NotData("its name is not an ASCII identifier")
    found = _static(cls, name)
    if hasattr(type(found), "__get__") and not isinstance(found, MemberDescriptorType):
        raise NotData("its attribute is a property or a method")
    return name


_BUILT_IN_INPUT: tuple[tuple[Any, Callable[[Any], bool]], ...] = (
    (coerce_string, lambda value: type(value) is str),
    (coerce_id, lambda value: type(value) is str),
    (coerce_boolean, lambda value: type(value) is bool),
    (coerce_int, lambda value: type(value) is int and -(2**31) <= value < 2**31),
    (coerce_float, lambda value: type(value) is float and isfinite(value)),
)
"""The parsers of graphql-core's scalars, and the values that each takes unchanged."""


def takes_unchanged(type_: object) -> Callable[[Any], bool] | None:
    """Return the check for values that a scalar of graphql-core takes unchanged; None for others.

    The parser is compared by identity: a custom one may not even be hashable.
    """
    parse = getattr(type_, "coerce_input_value", None)
    return next((check for parser, check in _BUILT_IN_INPUT if parser is parse), None)


def field_with_resolver(
    schema: GraphQLSchema, field: GraphQLField
) -> tuple[StrawberryField, StrawberryResolver[Any], GraphQLCoreConverter]:
    """Return a field that only calls its resolver, that resolver, and the schema's converter.

    Raises NotData where extensions or permissions surround the resolver, or where the exceptions
    of a synchronous resolver have handlers.
    """
    definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    converter = getattr(getattr(schema, "_strawberry_schema", None), "schema_converter", None)
    if not isinstance(definition, StrawberryField) or not isinstance(
        converter, GraphQLCoreConverter
    ):
        raise NotData("it is not a Strawberry field")
    if definition.base_resolver is None:
        raise NotData("it has no resolver")
    if definition.extensions:
        raise NotData("it has a permission or an extension")
    if type(definition).get_result is not StrawberryField.get_result or not any(
        _is(field.resolve, name) for name in _WITH_RESOLVER
    ):
        raise NotData("it has a custom way to get its value")
    if handlers_of(definition, converter) and not definition.is_async:
        raise NotData("its resolver is synchronous and has exception handlers")
    return definition, definition.base_resolver, converter


def handlers_of(
    field: StrawberryField, converter: GraphQLCoreConverter
) -> Sequence[tuple[tuple[type[Exception], ...], ExceptionHandler[Any, Any]]]:
    """Return the handlers that turn a field's exceptions into data; the first match counts."""
    return converter._get_field_exception_handlers(field)  # noqa: SLF001


def classes_of(
    schema: GraphQLSchema, type_: GraphQLAbstractType
) -> list[tuple[type, GraphQLObjectType]]:
    """Return the classes whose direct instances belong to one member of this type.

    Generic types are left out: their type depends on their values. Raises NotData.
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
        raise NotData(f"{type_} has a custom way to find the type of a value")
    classes: dict[type, GraphQLObjectType] = {}
    for member in schema.get_possible_types(type_):
        try:
            cls = _class_of_member(schema, member, interface)
        except NotData:
            continue
        if cls in classes:
            raise NotData(f"{type_} has two types of the same class")
        classes[cls] = member
    if not classes:
        raise NotData(f"{type_} has no type of a known class")
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
        raise NotData(f"{member} is generic")
    if interface is None:
        if registered.implementation is not member:
            raise NotData(f"{member} is not registered")
    elif not issubclass(cls, interface) or definition.name != member.name:
        raise NotData(f"{member} does not inherit the interface")
    return cls
