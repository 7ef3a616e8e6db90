"""A small schema with subscriptions, served by uvicorn as in production."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import httpx
import strawberry
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from chassis.app import STREAM_PATH, subgraph_app
from chassis.errors import Overloaded, Refusal, TokenRefused
from chassis.graphql.context import RequestContext
from chassis.graphql.schema import build_schema
from chassis.graphql.streaming import Streams
from chassis.graphql.view import GraphQLView
from chassis.metrics import Metrics
from chassis.principal import Principal
from chassis.server import configuration
from chassis.shutdown import Shutdown
from graphql_streams import Limits, SessionEnded, StreamEnded, TokenExpired, TooSlow
from stack.ports import free_ports
from tests.unit.chassis.known_sessions import KnownSessions

SECRET = "s" * 32
TRUSTED = {"x-router-secret": SECRET}
PROTOCOL = Subprotocol("graphql-transport-ws")


class Scope(StrEnum):
    A = "a"
    B = "b"


MULTIPART = "multipart/mixed;subscriptionSpec=1.0, application/json"
SSE = "text/event-stream"


def person(number: int = 1, lifetime: float | None = None) -> Principal:
    """Return a principal whose token expires in `lifetime` seconds, or in 2100."""
    expires_at = datetime(2100, 1, 1, tzinfo=UTC)
    if lifetime is not None:
        expires_at = datetime.now(UTC) + timedelta(seconds=lifetime)
    return Principal(
        user_id=UUID(int=number),
        username=f"user{number}",
        scopes=frozenset({"a"}),
        session_id=UUID(int=number + 1000),
        expires_at=expires_at,
    )


@dataclass
class World:
    """The state of the resolvers, which a test observes and controls."""

    queue: asyncio.Queue[object] = field(default_factory=asyncio.Queue)
    running: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    contexts: list["Context"] = field(default_factory=list)
    waiting: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Opened by the test; resolvers of `Event.gated` wait for it and count in `waiting`."""

    async def put(self, *items: object) -> None:
        for item in items:
            await self.queue.put(item)


@dataclass(kw_only=True)
class Context(RequestContext):
    world: World


Info = strawberry.Info[Context, None]
ENDS: dict[str, type[StreamEnded]] = {
    "expired": TokenExpired,
    "ended": SessionEnded,
    "slow": TooSlow,
}


@strawberry.type
class Event:
    number: int

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError("the password is hunter2")

    @strawberry.field
    async def gated(self, info: "Info") -> bool:
        info.context.world.waiting = True
        await info.context.world.gate.wait()
        return True


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "hello"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> str:
        return "changed"


async def numbers() -> AsyncGenerator[str, None]:
    yield "one"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, to: int = 3) -> AsyncGenerator[Event, None]:
        for number in range(to):
            yield Event(number=number)

    @strawberry.subscription
    async def events(self, info: Info) -> AsyncGenerator[Event, None]:
        """Yield the numbers that the test puts, until it puts an exception, an ending or None."""
        world = info.context.world
        world.contexts.append(info.context)
        world.running += 1
        try:
            while (item := await world.queue.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                if isinstance(item, str):
                    raise ENDS[item]
                assert isinstance(item, int)
                yield Event(number=item)
        finally:
            world.running -= 1
            world.closed.set()

    @strawberry.subscription
    async def whoami(self, info: Info) -> AsyncGenerator[str, None]:
        yield info.context.require().username

    @strawberry.subscription
    async def needs(self, info: Info, scope: str) -> AsyncGenerator[str, None]:
        info.context.require(Scope(scope))
        yield scope

    @strawberry.subscription
    async def joins(self, info: Info, scope: str) -> AsyncGenerator[str, None]:
        """Check the caller before a generator exists."""
        info.context.require(Scope(scope))
        return numbers()

    @strawberry.subscription
    async def ends(self, how: str) -> AsyncGenerator[str, None]:
        raise ENDS[how]

    @strawberry.subscription
    async def fails(self) -> AsyncGenerator[int, None]:
        raise RuntimeError("the password is hunter2")
        yield 1


async def authenticate(token: str) -> Principal:
    match token:
        case "good":
            return person(7)
        case "expired":
            raise TokenRefused(Refusal.EXPIRED)
        case "ended":
            raise TokenRefused(Refusal.SESSION_ENDED)
        case "away":
            raise Overloaded
        case "broken":
            raise RuntimeError("the token is hunter2")
        case "slow":
            await asyncio.sleep(0.3)
            return person(7)
        case _:
            raise TokenRefused


@dataclass
class Running:
    """A server, and clients with the secret of the edge."""

    port: int
    world: World
    sessions: KnownSessions
    streams: Streams
    shutdown: Shutdown
    http: httpx.AsyncClient

    @asynccontextmanager
    async def socket(
        self,
        *,
        headers: dict[str, str] | None = None,
        subprotocols: tuple[str, ...] = (PROTOCOL,),
        **options: Any,
    ) -> AsyncIterator["Client"]:
        async with connect(
            f"ws://127.0.0.1:{self.port}{STREAM_PATH}",
            additional_headers=TRUSTED | (headers or {}),
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            compression=None,
            proxy=None,
            **options,
        ) as connection:
            yield Client(connection)

    @asynccontextmanager
    async def initialised(self, **options: Any) -> AsyncIterator["Client"]:
        async with self.socket(**options) as client:
            await client.send(
                {"type": "connection_init", "payload": {"Authorization": "Bearer good"}}
            )
            assert await client.receive() == {"type": "connection_ack"}
            yield client

    @asynccontextmanager
    async def stream(
        self, query: str, accept: str, *, principal: Principal | None = None, **body: Any
    ) -> AsyncIterator[httpx.Response]:
        headers = TRUSTED | {"accept": accept} | (principal or person()).headers()
        async with self.http.stream(
            "POST", STREAM_PATH, json={"query": query, **body}, headers=headers
        ) as response:
            yield response

    async def post(self, query: str, accept: str, **options: Any) -> httpx.Response:
        """Return the body of a stream that ends by itself."""
        async with self.stream(query, accept, **options) as response:
            await response.aread()
        return response


@dataclass
class Client:
    connection: ClientConnection

    async def send(self, message: object) -> None:
        await self.connection.send(message if isinstance(message, str) else json.dumps(message))

    async def subscribe(self, query: str, id_: str = "1", **payload: Any) -> None:
        await self.send({"id": id_, "type": "subscribe", "payload": {"query": query, **payload}})

    async def receive(self) -> Any:
        message = await asyncio.wait_for(self.connection.recv(), 10)
        assert isinstance(message, str)  # frames are text
        return json.loads(message)

    async def closed(self) -> tuple[int, str]:
        """Return the code and the reason of the close, skipping other messages."""
        with suppress(ConnectionClosed):
            while True:
                await asyncio.wait_for(self.connection.recv(), 15)
        assert self.connection.close_code is not None
        return self.connection.close_code, self.connection.close_reason or ""


@asynccontextmanager
async def serving(limits: Limits | None = None) -> AsyncIterator[Running]:
    world, sessions, shutdown = World(), KnownSessions(), Shutdown()
    schema = build_schema(query=Query, mutation=Mutation, subscription=Subscription)
    streams = Streams(
        schema,
        lambda connection, principal: Context(**Context.caller(connection, principal), world=world),
        authenticate,
        limits or Limits(),
        sessions,
    )

    @asynccontextmanager
    async def nothing() -> AsyncIterator[None]:
        yield

    app = subgraph_app(
        GraphQLView(schema, lambda request: RequestContext(**RequestContext.caller(request))),
        router_secret=SECRET,
        sessions=sessions.guard,
        lifespan=nothing,
        checks={},
        metrics=Metrics(),
        shutdown=shutdown,
        streams=streams,
    )
    [port] = free_ports(1)
    server = uvicorn.Server(configuration(app, host="127.0.0.1", port=port, sockets=True))
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    async with httpx.AsyncClient(
        # To read the authorities' certificates would take longer than most tests.
        base_url=f"http://127.0.0.1:{port}",
        timeout=20,
        trust_env=False,
        verify=False,
    ) as http:
        try:
            yield Running(port, world, sessions, streams, shutdown, http)
        finally:
            server.should_exit = True
            await task
