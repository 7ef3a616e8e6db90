"""Shared executions of events: each connection gets what an execution for itself alone returns."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import orjson
import pytest
import strawberry
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import HTTPConnection
from structlog.testing import capture_logs

from chassis.graphql.context import RequestContext
from chassis.graphql.live import subscriptions
from chassis.graphql.schema import build_schema
from chassis.principal import Principal
from graphql_streams import (
    Broadcast,
    Caller,
    GraphQLRequest,
    Handshake,
    Operation,
    Refused,
    SessionEnded,
    response,
)
from graphql_streams.strawberry import subscriptions as executed_by_strawberry


class Scope(StrEnum):
    READ = "read"


@dataclass(slots=True, weakref_slot=True)
class Item:
    number: int


class Source:
    """A source that hands an item over at once where it can, as the feed of tweets does."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._waiter: asyncio.Future[None] | None = None
        self._take: Callable[[Item], bool] = lambda _: False

    def attach(self, take: Callable[[Item], bool]) -> None:
        self._take = take

    def push(self, item: Item) -> None:
        waiting = self._waiter is not None and not self._waiter.done()
        if waiting and self._take(item):
            return
        self._items.append(item)
        if self._waiter and waiting:
            self._waiter.set_result(None)

    async def __anext__(self) -> Item:
        while not self._items:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._items.pop(0)

    async def aclose(self) -> None:
        pass


@dataclass
class World:
    sources: list[Source] = field(default_factory=list)
    executions: int = 0


@dataclass(kw_only=True)
class Context(RequestContext):
    world: World
    origin: str
    """A field that a service reads from the request by itself."""

    @classmethod
    def make(cls, world: World) -> Callable[[HTTPConnection, Principal], "Context"]:
        def make(connection: HTTPConnection, principal: Principal) -> Context:
            return cls(
                **cls.caller(connection, principal),
                world=world,
                origin=OriginOf(connection).text if cls.reads_origin else "",
            )

        return make

    reads_origin: ClassVar[bool] = False


class OriginContext(Context):
    reads_origin = True


class OriginOf:
    def __init__(self, connection: HTTPConnection) -> None:
        self.text = connection.headers.get("origin", "")


Info = strawberry.Info[Context, None]


@strawberry.type
class Event:
    number: int

    @strawberry.field
    def counted(self, info: Info) -> int:
        info.context.world.executions += 1
        return self.number

    @strawberry.field
    def username(self, info: Info) -> str:
        return info.context.require().username

    @strawberry.field
    async def session(self, info: Info, at: int = 0) -> str | None:
        """Read the session of events from `at` on only, and late."""
        await asyncio.sleep(0)
        return str(info.context.require().session_id) if self.number >= at else None

    @strawberry.field
    def principal(self, info: Info) -> str:
        """Depend on the whole principal, without the name of a field."""
        principal = info.context.require()
        return ",".join(f"{name}={value}" for name, value in sorted(principal.headers().items()))

    @strawberry.field
    def address(self, info: Info) -> str:
        return info.context.client_address

    @strawberry.field
    def origin(self, info: Info) -> str:
        return info.context.origin

    @strawberry.field
    async def guarded(self, info: Info) -> int | None:
        await asyncio.sleep(0)
        info.context.require(Scope.READ)
        return self.number

    @strawberry.field
    def variables(self, info: Info) -> str:
        return str(sorted(info.variable_values))

    @strawberry.field
    def plus(self, n: int) -> int:
        return self.number + n

    @strawberry.field
    def broken(self) -> int | None:
        raise RuntimeError("broken")

    @strawberry.field
    def ended(self, info: Info) -> int:
        if info.context.require().session_id.int % 2:
            raise SessionEnded
        return self.number


@strawberry.type
class Query:
    a: int


EVENTS = Broadcast(lambda item: Event(number=item.number))  # type: ignore[var-annotated]


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def events(self, info: Info, after: str | None = None) -> AsyncIterator[Event]:
        source = Source()
        info.context.world.sources.append(source)
        return EVENTS.of(source)


SCHEMA = build_schema(query=Query, subscription=Subscription)


@dataclass(frozen=True)
class Connection:
    """A connection that a test opens."""

    user: int
    session: int
    scopes: frozenset[str]
    address: str
    fields: str
    variables: tuple[tuple[str, Any], ...]
    takes_offers: bool
    leaves: bool
    """Whether it is closed while the events are executed."""

    @property
    def principal(self) -> Principal:
        return Principal(
            UUID(int=self.user),
            f"user{self.user}",
            self.scopes,
            UUID(int=100 * self.user + self.session),
            datetime(2100, 1, self.session, tzinfo=UTC),
        )

    def operation(self, received: list[bytes]) -> Operation:
        headers = {"x-client-address": self.address, "origin": f"https://{self.address}"}
        scope = {"type": "http", "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}
        query = (
            "subscription ($after: String, $n: Int! = 5, $with: Boolean! = true) "
            "{ events(after: $after) { number plus(n: $n) @include(if: $with) "
            f"{self.fields} }} }}"
        )

        def offer(each: bytes) -> bool:
            if self.takes_offers:
                received.append(each)
            return self.takes_offers

        return Operation(
            GraphQLRequest(query, dict(self.variables)),
            Caller(self.user, value=self.principal),
            Handshake(scope),
            offer=offer,
        )


READ = frozenset({"read"})
FIELDS = (
    *("", "counted", "username", "session", "session(at: 2)", "principal", "address"),
    *("origin", "guarded", "broken", "ended", "username session address", "guarded principal"),
)
VARIABLES = st.fixed_dictionaries(
    {},
    optional={
        "after": st.sampled_from(["x", "y", None]),
        "n": st.sampled_from([1, 2]),
        "with": st.booleans(),
    },
)


@st.composite
def connections_of_few_documents(draw: st.DrawFn) -> list[Connection]:
    """Return connections of which many have the same user, document and variables."""
    connection = st.builds(
        Connection,
        user=st.sampled_from(draw(st.sampled_from([[1], [1, 2]]))),
        session=st.integers(1, 3),
        scopes=st.sampled_from(draw(st.sampled_from([[READ], [READ, frozenset()]]))),
        address=st.sampled_from(["a", "b"]),
        fields=st.sampled_from(draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=2))),
        variables=st.sampled_from(draw(st.lists(VARIABLES, min_size=1, max_size=2))).map(
            lambda given: tuple(given.items())
        ),
        takes_offers=st.booleans(),
        leaves=st.sampled_from([False, False, True]),
    )
    return draw(st.lists(connection, min_size=1, max_size=7))


async def turns() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


async def shared(
    connections: list[Connection], numbers: list[int], context: type[Context] = Context
) -> tuple[list[list[Any]], World]:
    """Return what each connection receives of the same events, and the end of its operation."""
    world = World()
    subscribe = subscriptions(SCHEMA, context.make(world))
    received: list[list[Any]] = [[] for _ in connections]

    async def read(connection: Connection, into: list[Any]) -> None:
        try:
            async with aclosing(subscribe(connection.operation(into))) as responses:
                async for each in responses:
                    into.append(each)  # noqa: PERF401  (kept if it fails)
        except Refused as end:
            into.append(repr(end))

    tasks = []
    for connection, into in zip(connections, received, strict=True):
        tasks.append(asyncio.create_task(read(connection, into)))
        await turns()
    leaving = [t for t, c in zip(tasks, connections, strict=True) if c.leaves]
    for number in numbers:
        item = Item(number)
        for source in world.sources:
            source.push(item)
        for task in leaving:
            await asyncio.sleep(0)
            task.cancel()
        await turns()
    await turns()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return received, world


async def alone(
    connection: Connection, numbers: list[int], context: type[Context] = Context
) -> list[Any]:
    """Return what Strawberry's own execution returns, with the caller's own principal."""
    world = World()
    make = context.make(world)
    received: list[Any] = []

    def context_of(operation: Operation) -> Context:
        return make(HTTPConnection(operation.handshake.scope), operation.caller.value)

    async def read() -> None:
        try:
            async for result in executed_by_strawberry(SCHEMA, context_of)(
                connection.operation([])
            ):
                received.append(response(result))  # type: ignore[arg-type]  # noqa: PERF401
        except Refused as end:
            received.append(repr(end))
        except Exception as error:
            received.append(repr(error))

    task = asyncio.create_task(read())
    await turns()
    for number in numbers:
        for source in world.sources:
            source.push(Item(number))
        await turns()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return received


def same(got: list[Any], expected: list[Any], *, whole: bool) -> bool:
    def parsed(values: list[Any]) -> list[Any]:
        return [orjson.loads(each) if isinstance(each, bytes) else each for each in values]

    received, all_ = parsed(got), parsed(expected)
    return received == all_ if whole else received == all_[: len(received)]


@pytest.mark.parametrize("context", [Context, OriginContext])
@settings(max_examples=150, deadline=None)
@given(connections=connections_of_few_documents(), data=st.data())
def test_every_connection_gets_what_an_execution_of_its_own_returns(
    context: type[Context], connections: list[Connection], data: st.DataObject
) -> None:
    numbers = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))

    async def run() -> None:
        received, _ = await shared(connections, numbers, context)
        for connection, got in zip(connections, received, strict=True):
            expected = await alone(connection, numbers, context)
            assert same(got, expected, whole=not connection.leaves), connection

    with capture_logs():
        asyncio.run(run())


def devices(count: int, fields: str, **changed: Any) -> list[Connection]:
    """Return connections of one user, each with a session of its own."""
    return [
        Connection(
            **{
                "user": 1,
                "session": 1 + number % 25,
                "scopes": READ,
                "address": f"{number}",
                "fields": fields,
                "variables": (("after", f"{number}"),),
                "takes_offers": True,
                "leaves": False,
                **changed,
            }
        )
        for number in range(count)
    ]


class TestSharing:
    @pytest.mark.parametrize("fields", ["counted", "counted guarded", "counted username"])
    async def test_devices_of_a_user_share_an_execution_after_any_cursor(self, fields: str) -> None:
        received, world = await shared(devices(20, fields), [1, 2, 3])
        assert world.executions == 3
        assert all(got == received[0] and len(got) == 3 for got in received)

    @pytest.mark.parametrize(
        ("fields", "changed", "executions"),
        [
            ("counted session", {}, 20),
            ("counted address", {}, 20),
            ("counted session", {"session": 1, "address": "a"}, 1),
            ("counted", {"variables": (("n", 1),)}, 1),
        ],
    )
    async def test_execution_is_shared_by_those_for_whom_it_reads_the_same(
        self, fields: str, changed: dict[str, Any], executions: int
    ) -> None:
        _, world = await shared(devices(20, fields, **changed), [1])
        assert world.executions == executions

    async def test_other_user_scopes_and_variables_are_not_shared(self) -> None:
        connections = [
            *devices(2, "counted"),
            *devices(2, "counted", user=2),
            *devices(2, "counted", scopes=frozenset()),
            *devices(2, "counted", variables=(("n", 1),)),
        ]
        _, world = await shared(connections, [1])
        assert world.executions == 4

    async def test_context_that_reads_the_request_is_for_one_connection(self) -> None:
        received, world = await shared(devices(5, "counted origin"), [1], OriginContext)
        assert world.executions == 5
        origins = {orjson.loads(got[0])["data"]["events"]["origin"] for got in received}
        assert origins == {f"https://{number}" for number in range(5)}

    async def test_failure_of_a_resolver_is_logged_once(self) -> None:
        with capture_logs() as log:
            received, _ = await shared(devices(50, "broken"), [1])
        assert [line["event"] for line in log] == ["resolver failed"]
        errors = {bytes(got[0]) for got in received}
        assert len(errors) == 1
        assert b"Something went wrong" in errors.pop()

    async def test_variable_of_the_source_is_not_seen_by_resolvers(self) -> None:
        received, _ = await shared(devices(1, "variables"), [1])
        assert orjson.loads(received[0][0])["data"]["events"]["variables"] == "['n', 'with']"
