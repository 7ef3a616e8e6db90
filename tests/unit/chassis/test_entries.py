"""Which query fields may complete the events of a subscription."""

import pytest
from graphql import build_schema

from chassis.graphql.entries import entry_problems

SCHEMA = build_schema("""
type Item { id: ID! code: String text(upper: Boolean): String! }
type Other { id: ID! }
type Query {
  item(id: ID!): Item
  byCode(code: String): Item
  byNeededCode(code: String!): Item
  byText(text: String!): Item
  byNumber(number: Int!): Item
  needed(id: ID!): Item!
  other(id: ID!): Other
}
type Subscription { items: Item! maybe: Item }
""")


class TestEntry:
    @pytest.mark.parametrize(
        "entries", [{"items": "item", "maybe": "byCode"}, {"items": "byCode"}, {}]
    )
    def test_query_that_returns_one_event_fits(self, entries: dict[str, str]) -> None:
        assert [*entry_problems(SCHEMA, entries)] == []

    @pytest.mark.parametrize(
        ("entries", "problem"),
        [
            ({"news": "item"}, "Subscription.news does not exist"),
            ({"items": "news"}, "Query.news does not exist"),
            ({"items": "other"}, "Query.other must return the type of Subscription.items"),
            ({"items": "needed"}, "Query.needed must be nullable"),
            ({"items": "byNeededCode"}, "Query.byNeededCode(code:) must be a field of the event"),
            ({"items": "byText"}, "Query.byText(text:) must be a field of the event"),
            ({"items": "byNumber"}, "Query.byNumber(number:) must be a field of the event"),
        ],
    )
    def test_other_query_is_refused(self, entries: dict[str, str], problem: str) -> None:
        [found] = entry_problems(SCHEMA, entries)
        assert found.startswith(f"entries: {problem}")
