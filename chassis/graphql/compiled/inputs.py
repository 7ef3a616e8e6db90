"""Makes the value that a resolver is given of the one that graphql-core has read.

Strawberry looks at each type anew for every value: what it would find is found out once.
"""

from collections.abc import Callable
from dataclasses import MISSING
from typing import Any, TypeAlias

from strawberry import ID
from strawberry.scalars import is_scalar
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import convert_argument
from strawberry.types.base import StrawberryList, StrawberryOptional, has_object_definition
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.unset import UNSET

Convert: TypeAlias = Callable[[Any, Any, tuple[str, ...]], Any]
"""Takes the value, the resolver's `info`, and the value's place in the arguments."""

_PLAIN: tuple[Any, ...] = (int, float, str, bool, ID)


def conversion(
    type_: Any, converter: GraphQLCoreConverter, built: dict[type, Convert] | None = None
) -> Convert | None:
    """What converts values of this type; None where they are given as they are.

    `built` are the conversions of input types that are known already, or in the making.
    """
    inner = _required(type_)
    if _is_plain(inner):
        return None
    if type(inner) is StrawberryList and _is_plain(_required(inner.of_type)):
        return _copied
    if has_object_definition(inner) and not is_scalar(inner, converter.scalar_registry):
        definition = inner.__strawberry_definition__
        if definition.is_input and definition.from_input is None:
            return _built(inner, converter, {} if built is None else built)

    def asked(value: Any, info: Any, path: tuple[str, ...]) -> Any:
        return convert_argument(
            value, type_, converter.scalar_registry, converter.config, info, path=path
        )

    return asked


def _required(type_: Any) -> Any:
    return type_.of_type if type(type_) is StrawberryOptional else type_


def _is_plain(type_: Any) -> bool:
    return type_ in _PLAIN or isinstance(type_, StrawberryEnumDefinition)


def _copied(value: Any, *_: Any) -> Any:
    return value if value is None or value is UNSET else list(value)


def _built(cls: type, converter: GraphQLCoreConverter, built: dict[type, Convert]) -> Convert:
    """Builds an input object of its fields."""
    if cls in built:
        return built[cls]
    parts: list[tuple[str, str, Convert | None]] = []
    definition = cls.__strawberry_definition__  # type: ignore[attr-defined]
    absent = {
        field.python_name: None
        for field in definition.fields
        if field.default_value is MISSING and field.default_factory is MISSING
    }

    def build(value: Any, info: Any, path: tuple[str, ...]) -> Any:
        if value is None or value is UNSET:
            return value
        given = absent.copy()
        for name, python_name, convert in parts:
            if name in value:
                part = value[name]
                given[python_name] = convert(part, info, (*path, name)) if convert else part
        return cls(**given)

    # Known before its fields are: one of them may hold the same type.
    built[cls] = build
    for field in definition.fields:
        type_ = field.resolve_type(type_definition=definition)
        name = converter.config.name_converter.from_field(field)
        parts.append((name, field.python_name, conversion(type_, converter, built)))
    return build
