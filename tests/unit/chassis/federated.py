"""A subgraph `items` with subscriptions, in a supergraph of three, and a router in memory."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import orjson
import strawberry
from prometheus_client import CollectorRegistry

from chassis.graphql.completion_metrics import CompletionMetrics
from chassis.graphql.context import RequestContext
from chassis.graphql.documents import Documents
from chassis.graphql.federation import Federation
from chassis.graphql.limits import Limits
from chassis.graphql.live import subscriptions
from chassis.graphql.router import Answer, Router, RouterFailedError
from chassis.graphql.schema import SubgraphSchema
from chassis.graphql.supergraph import Supergraph
from chassis.principal import Principal
from chassis.tracing import traceparent
from graphql_streams import Caller, GraphQLRequest, Handshake, Operation

API = """
scalar Time

type Item { id: ID! number: Int! text(upper: Boolean! = false): String! owner: User! best: User }
type User { id: ID! name: String! joined: Time! mail: Mail items(first: Int! = 10): [Item!]! }
type Mail { isOn: Boolean! }
type Query { item(id: ID!): Item me: User }
type Subscription {
  items(after: ID, word: String): Item!
  maybe: Item
  plain: Item!
  likes: Int!
}
"""

SUPERGRAPH = """
enum join__Graph {
  ITEMS @join__graph(name: "items", url: "http://items")
  USERS @join__graph(name: "users", url: "http://users")
  LIKES @join__graph(name: "likes", url: "http://likes")
}
scalar Time @join__type(graph: USERS)
type Item @join__type(graph: ITEMS, key: "id") @join__type(graph: LIKES, key: "id") {
  id: ID!
  number: Int! @join__field(graph: ITEMS)
  text(upper: Boolean! = false): String! @join__field(graph: ITEMS)
  owner: User! @join__field(graph: ITEMS, provides: "name")
  best: User @join__field(graph: ITEMS)
}
type User @join__type(graph: ITEMS, key: "id") @join__type(graph: USERS, key: "id") {
  id: ID!
  name: String! @join__field(graph: ITEMS, external: true) @join__field(graph: USERS)
  joined: Time! @join__field(graph: USERS)
  mail: Mail @join__field(graph: USERS)
  items(first: Int! = 10): [Item!]! @join__field(graph: ITEMS)
}
type Mail @join__type(graph: USERS) { isOn: Boolean! }
type Query @join__type(graph: ITEMS) @join__type(graph: USERS) @join__type(graph: LIKES) {
  item(id: ID!): Item @join__field(graph: ITEMS)
  me: User @join__field(graph: USERS)
}
type Subscription @join__type(graph: ITEMS) @join__type(graph: LIKES) {
  items(after: ID, word: String): Item! @join__field(graph: ITEMS)
  maybe: Item @join__field(graph: ITEMS)
  plain: Item! @join__field(graph: ITEMS)
  likes: Int! @join__field(graph: LIKES)
}
"""

CALLER = Principal(
    user_id=UUID(int=1),
    username="ada",
    scopes=frozenset({"a"}),
    session_id=UUID(int=2),
    expires_at=datetime(2100, 1, 1, tzinfo=UTC),
)


AWAY = {"message": "HTTP fetch failed", "extensions": {"code": "SUBREQUEST_HTTP_ERROR"}}
"""An error of the router about a subgraph that does not answer."""


@strawberry.federation.type(keys=["id"])
class User:
    id: strawberry.ID
    name: str = strawberry.federation.field(external=True)

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "User":
        return cls(id=id, name="")

    @strawberry.field
    def items(self, first: int = 10) -> list["Item"]:
        return []


@strawberry.federation.type(keys=["id"])
class Item:
    id: strawberry.ID
    number: int

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "Item":
        return cls(id=id, number=int(id))

    @strawberry.field
    def text(self, upper: bool = False) -> str:
        return f"TEXT {self.id}" if upper else f"text {self.id}"

    @strawberry.federation.field(provides=["name"])
    def owner(self) -> User:
        return User(id=strawberry.ID("1"), name="ada")

    @strawberry.field
    def best(self) -> User | None:
        return None


@strawberry.type
class Query:
    @strawberry.field
    def item(self, id: strawberry.ID) -> Item | None:
        return None


async def _items(count: int = 3) -> AsyncGenerator[Item, None]:
    for number in range(1, count + 1):
        yield Item(id=strawberry.ID(str(number)), number=number)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def items(
        self, after: strawberry.ID | None = None, word: str | None = None
    ) -> AsyncGenerator[Item, None]:
        if word == "fail":
            raise RuntimeError("hunter2")
        async for item in _items():
            if after is None or item.number > int(after):
                yield item

    @strawberry.subscription
    async def maybe(self) -> AsyncGenerator[Item | None, None]:
        async for item in _items(1):
            yield item

    @strawberry.subscription
    async def plain(self) -> AsyncGenerator[Item, None]:
        async for item in _items(1):
            yield item


ENTRIES = {"items": "item", "maybe": "item"}
SCHEMA = SubgraphSchema(
    Documents(Limits(), introspection=True),
    service="items",
    entries=ENTRIES,
    query=Query,
    subscription=Subscription,
)


@dataclass
class Asked:
    """What the router was asked."""

    text: str
    operation_name: str | None
    variables: dict[str, Any]
    caller: Principal
    headers: Sequence[tuple[bytes, bytes]]
    trace: str | None
    """The trace of which the query is a part."""


@dataclass
class FakeRouter:
    """Answers with what the test puts: an answer, or an exception that it raises."""

    answers: list[Answer | Exception] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    """Takes the metrics of completions."""

    async def query(
        self,
        text: str,
        operation_name: str | None,
        variables: Mapping[str, Any],
        caller: Principal,
        headers: list[tuple[bytes, bytes]],
    ) -> Answer:
        self.asked.append(
            Asked(text, operation_name, dict(variables), caller, headers, traceparent())
        )
        await asyncio.sleep(0)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def put(self, data: Mapping[str, Any] | None, *errors: dict[str, Any]) -> None:
        self.answers.append(Answer(is_executed=True, data=data, errors=[*errors]))

    def fail(self, times: int = 1) -> None:
        self.answers += [RouterFailedError("time-out")] * times


def federation(router: FakeRouter) -> Federation:
    metrics = CompletionMetrics(router.registry)
    return Federation(SCHEMA, Supergraph(API, SUPERGRAPH), cast("Router", router), metrics)


def operation(
    query: str,
    operation_name: str | None = None,
    headers: Sequence[tuple[bytes, bytes]] = (),
    **variables: Any,
) -> Operation:
    return Operation(
        GraphQLRequest(query, variables, operation_name),
        Caller("1", value=CALLER),
        Handshake({"type": "http", "headers": [*headers]}),
    )


async def results(
    router: FakeRouter,
    query: str,
    operation_name: str | None = None,
    headers: Sequence[tuple[bytes, bytes]] = (),
    **variables: Any,
) -> list[dict[str, Any]]:
    """Return the responses of a subscription to its end."""
    subscribe = federation(router).subscribe(subscriptions(SCHEMA, RequestContext.from_connection))
    asked = operation(query, operation_name, headers, **variables)
    return [orjson.loads(response) async for response in subscribe(asked)]
