"""Converts the values that graphql-core has read into those that a resolver takes.

Strawberry inspects each type again for every value; here each type is inspected once.
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
"""Takes the value, the resolver's `info`, and the path to the value in the arguments."""

_PLAIN: tuple[Any, ...] = (int, float, str, bool, ID)


class Conversions:
    """The conversions of the input types of one schema."""

    def __init__(self, converter: GraphQLCoreConverter) -> None:
        self.converter = converter
        self._known: dict[type, Convert] = {}

    def of(self, type_: Any) -> Convert | None:
        """Return the conversion of values of this type; None where they are taken unchanged."""
        found: dict[type, Convert] = {}
        conversion = self._of(type_, found)
        # Now, because other threads must not find one that is not finished.
        self._known.update(found)
        return conversion

    def _of(self, type_: Any, found: dict[type, Convert]) -> Convert | None:
        inner = _required(type_)
        if _is_plain(inner):
            return None
        if type(inner) is StrawberryList and _is_plain(_required(inner.of_type)):
            return _copied
        converter = self.converter
        if has_object_definition(inner) and not is_scalar(inner, converter.scalar_registry):
            definition = inner.__strawberry_definition__
            if definition.is_input and definition.from_input is None:
                return self._known.get(inner) or found.get(inner) or self._build(inner, found)

        def by_strawberry(value: Any, info: Any, path: tuple[str, ...]) -> Any:
            return convert_argument(
                value, type_, converter.scalar_registry, converter.config, info, path=path
            )

        return by_strawberry

    def _build(self, cls: type, found: dict[type, Convert]) -> Convert:
        """Return the conversion that builds an input object of this class from its fields."""
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

        # Before its fields: one of them may hold the same type.
        found[cls] = build
        for field in definition.fields:
            type_ = field.resolve_type(type_definition=definition)
            name = self.converter.config.name_converter.from_field(field)
            parts.append((name, field.python_name, self._of(type_, found)))
        return build


def _required(type_: Any) -> Any:
    return type_.of_type if type(type_) is StrawberryOptional else type_


def _is_plain(type_: Any) -> bool:
    return type_ in _PLAIN or isinstance(type_, StrawberryEnumDefinition)


def _copied(value: Any, *_: Any) -> Any:
    return value if value is None or value is UNSET else list(value)
