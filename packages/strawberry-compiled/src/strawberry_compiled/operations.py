"""Computes once what every execution of an operation of a document shares."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    VariableDefinitionNode,
    assert_valid_schema,
    is_non_null_type,
)
from graphql.execution import values
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.get_variable_signature import (
    GraphQLVariableSignature,
    get_variable_signature,
)
from graphql.execution.values import VariableValues, VariableValueSource
from graphql.utilities import coerce_input_value

from .recognition import takes_unchanged

_is_nested_too_deeply: Callable[[Any, Any], bool] = getattr(
    values, "input_is_nested_too_deeply", lambda *_: False
)
"""Of graphql-core 3.3.2 and newer; what an older one cannot coerce is left to it all the same."""


class _Variable(NamedTuple):
    signature: GraphQLVariableSignature
    is_optional: bool
    """Whether it may be missing and has no default."""
    unchanged: Callable[[Any], bool]
    """Returns whether its type takes a value unchanged."""


class Operation:
    """An operation of a document, as the executor takes it."""

    __slots__ = ("_variables", "fragment_definitions", "fragments", "node")

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, node: OperationDefinitionNode
    ) -> None:
        assert_valid_schema(schema)
        self.node = node
        self.fragment_definitions = {
            part.name.value: part
            for part in document.definitions
            if isinstance(part, FragmentDefinitionNode)
        }
        self.fragments = {
            name: FragmentDetails(part, None) for name, part in self.fragment_definitions.items()
        }
        self._variables = [_variable(schema, part) for part in node.variable_definitions or ()]
        """`None` for a variable of unknown type; graphql-core reports the error."""

    def variables(self, given: Mapping[str, Any]) -> VariableValues | None:
        """Return the coerced variables; None where graphql-core must coerce them."""
        try:
            return self._coerced(given)
        except Exception:  # graphql-core meets it again
            return None

    def _coerced(self, given: Mapping[str, Any]) -> VariableValues | None:
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for variable in self._variables:
            if variable is None:
                return None
            signature, is_optional, unchanged = variable
            name = signature.name
            value = given.get(name, Undefined)
            if value is Undefined:
                if not is_optional:
                    return None
                sources[name] = VariableValueSource(signature)
                continue
            sources[name] = VariableValueSource(signature, value)
            if not unchanged(value):
                if _is_nested_too_deeply(value, signature.type):
                    return None
                value = coerce_input_value(value, signature.type)
                if value is Undefined:
                    return None
            coerced[name] = value
        return VariableValues(sources, coerced)


def _variable(schema: GraphQLSchema, node: VariableDefinitionNode) -> _Variable | None:
    signature = get_variable_signature(schema, node)
    if isinstance(signature, GraphQLError):
        return None
    is_required = is_non_null_type(signature.type)
    type_: Any = signature.type
    if is_required:
        type_ = type_.of_type
    return _Variable(
        signature,
        is_optional=not is_required and signature.default is None,
        unchanged=takes_unchanged(type_) or (lambda _: False),
    )


def find_operation(
    schema: GraphQLSchema, document: DocumentNode, name: str | None
) -> Operation | None:
    """Return the operation of this name, or the only one; None where graphql-core must find it."""
    found = [
        part
        for part in document.definitions
        if isinstance(part, OperationDefinitionNode)
        and (name is None or (part.name and part.name.value == name))
    ]
    if len(found) != 1:
        return None
    if any(
        isinstance(part, FragmentDefinitionNode) and part.variable_definitions
        for part in document.definitions
    ):
        return None
    return Operation(schema, document, found[0])
