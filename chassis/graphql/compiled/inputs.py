"""Makes the value that a resolver is given of the one that graphql-core has read.

Strawberry looks at each type anew for every value: what it would find is found out once.
"""

from collections.abc import Callable
from dataclasses import MISSING
from typing import Any, TypeAlias

from strawberry import ID
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import convert_argument
from strawberry.types.base import StrawberryList, StrawberryOptional, has_object_definition
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.unset import UNSET

Convert: TypeAlias = Callable[[Any, Any], Any]
"""Takes the value and the resolver's `info`."""

_PLAIN: tuple[Any, ...] = (int, float, str, bool, ID)


def conversion(
    type_: Any,
    converter: GraphQLCoreConverter,
    path: tuple[str, ...],
    within: tuple[type, ...] = (),
) -> Convert | None:
    """What converts values of this type at this place; None where they are given as they are.

    `within` are the input types around it: in one that holds itself Strawberry is asked.
    """
    inner = _required(type_)
    if _is_plain(inner):
        return None
    if type(inner) is StrawberryList and _is_plain(_required(inner.of_type)):
        return _copied
    if has_object_definition(inner) and inner not in within:
        definition = inner.__strawberry_definition__
        if definition.is_input and definition.from_input is None:
            return _built(inner, converter, path, (*within, inner))

    def asked(value: Any, info: Any) -> Any:
        return convert_argument(
            value, type_, converter.scalar_registry, converter.config, info, path=path
        )

    return asked


def _required(type_: Any) -> Any:
    return type_.of_type if type(type_) is StrawberryOptional else type_


def _is_plain(type_: Any) -> bool:
    return type_ in _PLAIN or isinstance(type_, StrawberryEnumDefinition)


def _copied(value: Any, _: Any) -> Any:
    return value if value is None or value is UNSET else list(value)


def _built(
    cls: type, converter: GraphQLCoreConverter, path: tuple[str, ...], within: tuple[type, ...]
) -> Convert:
    """Builds an input object of its fields."""
    definition = cls.__strawberry_definition__  # type: ignore[attr-defined]
    absent = {
        field.python_name: None
        for field in definition.fields
        if field.default_value is MISSING and field.default_factory is MISSING
    }
    names = [converter.config.name_converter.from_field(field) for field in definition.fields]
    parts = [
        (
            name,
            field.python_name,
            conversion(
                field.resolve_type(type_definition=definition), converter, (*path, name), within
            ),
        )
        for name, field in zip(names, definition.fields, strict=True)
    ]

    def build(value: Any, info: Any) -> Any:
        if value is None or value is UNSET:
            return value
        given = absent.copy()
        for name, python_name, convert in parts:
            if name in value:
                part = value[name]
                given[python_name] = convert(part, info) if convert else part
        return cls(**given)

    return build
