"""Checks the query fields that return events of subscriptions (`build_schema(entries=…)`)."""

from collections.abc import Iterator, Mapping

from graphql import (
    GraphQLField,
    GraphQLInputType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    get_named_type,
    is_non_null_type,
)


def entry_problems(schema: GraphQLSchema, entries: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each entry that cannot complete events of its subscription."""
    for subscription, query in entries.items():
        event = _field(schema.subscription_type, subscription)
        entry = _field(schema.query_type, query)
        if event is None:
            yield f"entries: Subscription.{subscription} does not exist"
        elif entry is None:
            yield f"entries: Query.{query} does not exist"
        elif get_named_type(entry.type) != get_named_type(event.type):
            yield f"entries: Query.{query} must return the type of Subscription.{subscription}"
        elif is_non_null_type(entry.type):
            yield f"entries: Query.{query} must be nullable, for an event that exists no more"
        else:
            yield from _argument_problems(query, entry, get_named_type(event.type))


def _argument_problems(query: str, entry: GraphQLField, event: object) -> Iterator[str]:
    for name, argument in entry.args.items():
        field = _field(event, name)
        if field is None or field.args or not _fits(field.type, argument.type):
            yield f"entries: Query.{query}({name}:) must be a field of the event, of the same type"


def _fits(value: GraphQLOutputType, argument: GraphQLInputType) -> bool:
    """Return whether each value of the field is valid for the argument."""
    return str(value) in {str(argument), f"{argument}!"}


def _field(type_: object, name: str) -> GraphQLField | None:
    return type_.fields.get(name) if isinstance(type_, GraphQLObjectType) else None
