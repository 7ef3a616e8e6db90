"""A small schema with subscriptions, served by uvicorn, and clients for it."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import uvicorn
from graphql import GraphQLResolveInfo, build_schema
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from graphql_streams import (
    Caller,
    Handshake,
    Limits,
    Operation,
    Refused,
    SessionEnded,
    StreamEnded,
    Streams,
    TokenExpired,
    TooSlow,
    Unauthenticated,
    bearer_token,
)
from graphql_streams.graphql_core import subscriptions

PATH = "/graphql"
PROTOCOL = Subprotocol("graphql-transport-ws")
MULTIPART = "multipart/mixed;subscriptionSpec=1.0, application/json"
SSE = "text/event-stream"

SCHEMA = build_schema("""
    type Query { hello: String! }
    type Mutation { change: String! }
    type Event { number: Int!, broken: String, gated: Boolean!, big: String! }
    type Subscription {
        count(to: Int = 3): Event!
        events: Event!
        flood: Event!
        stubborn: Int!
        whoami: String!
        needs(scope: String!): String!
        joins(scope: String!): String!
        ends(how: String!): String!
        fails: Int!
    }
""")

ENDS: dict[str, type[StreamEnded]] = {
    "expired": TokenExpired,
    "ended": SessionEnded,
    "slow": TooSlow,
}


REFUSED: dict[str, Exception] = {
    "expired": TokenExpired(),
    "ended": SessionEnded(),
    "away": Refused("Try again.", code="SERVICE_UNAVAILABLE"),
    "forged": Unauthenticated("The access token is not valid."),
    "broken": RuntimeError("the token is hunter2"),
}
"""What `authenticate` raises for these tokens."""


@dataclass
class KnownSessions:
    """Ended sessions that a test declares. Clearing `known` makes them uncertain."""

    ended: set[str] = field(default_factory=set)
    known: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.known.set()

    @property
    def is_current(self) -> bool:
        return self.known.is_set()

    async def current(self) -> None:
        await self.known.wait()

    def has_ended(self, session_id: str) -> bool:
        return session_id in self.ended


@dataclass
class World:
    """The state of the resolvers, which a test observes and controls."""

    queue: asyncio.Queue[object] = field(default_factory=asyncio.Queue)
    running: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    contexts: list[Operation] = field(default_factory=list)
    waiting: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Opened by the test; resolvers of `Event.gated` wait for it and set `waiting`."""
    expires_at: datetime | None = None
    """When the tokens of callers expire."""

    async def put(self, *items: object) -> None:
        for item in items:
            await self.queue.put(item)


@dataclass
class Context:
    """The context of one operation."""

    operation: Operation
    world: World

    def require(self, scope: str) -> None:
        if scope != "a":
            raise Refused(f"This session lacks the scope {scope}.", code="FORBIDDEN")


Info = GraphQLResolveInfo


def event(number: int) -> dict[str, Any]:
    return {"number": number, "big": "x" * 50_000, "broken": _broken, "gated": _gated}


def _broken(_: Info) -> str:
    raise RuntimeError("broken")


async def _gated(info: Info) -> bool:
    info.context.world.waiting = True
    await info.context.world.gate.wait()
    return True


async def count(_: object, __: Info, to: int) -> AsyncGenerator[Any, None]:
    for number in range(to):
        yield {"count": event(number)}


async def events(_: object, info: Info) -> AsyncGenerator[Any, None]:
    """Yield the numbers that the test puts, until it puts an exception, an ending or None.

    This field knows nothing of tokens and sessions.
    """
    world = info.context.world
    world.contexts.append(info.context.operation)
    world.running += 1
    try:
        while (item := await world.queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            if isinstance(item, str):
                raise ENDS[item]
            yield {"events": event(item)}
    finally:
        world.running -= 1
        world.closed.set()


async def flood(_: object, info: Info) -> AsyncGenerator[Any, None]:
    """Yield large events as fast as they are read."""
    world = info.context.world
    world.running += 1
    try:
        for number in range(1_000_000):
            world.queue.put_nowait(number)
            yield {"flood": event(number)}
    finally:
        world.running -= 1
        world.closed.set()


async def stubborn(_: object, info: Info) -> AsyncGenerator[Any, None]:
    """Catch a cancellation, and yield after it."""
    world = info.context.world
    world.running += 1
    gate = asyncio.ensure_future(world.gate.wait())
    while not gate.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(gate)
    world.running -= 1
    yield {"stubborn": 1}


async def whoami(_: object, info: Info) -> AsyncGenerator[Any, None]:
    yield {"whoami": info.context.operation.caller.id}


async def needs(_: object, info: Info, scope: str) -> AsyncGenerator[Any, None]:
    info.context.require(scope)
    yield {"needs": scope}


async def joins(_: object, info: Info, scope: str) -> AsyncGenerator[Any, None]:
    """Check the caller before a generator exists."""
    info.context.require(scope)
    return needs(_, info, scope)


async def ends(_: object, __: Info, how: str) -> AsyncGenerator[Any, None]:
    raise ENDS[how]
    yield


async def fails(_: object, __: Info) -> AsyncGenerator[Any, None]:
    raise RuntimeError("the password is hunter2")
    yield


assert SCHEMA.subscription_type
for resolver in (count, events, flood, stubborn, whoami, needs, joins, ends, fails):
    SCHEMA.subscription_type.fields[resolver.__name__].subscribe = resolver


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def bearer(user: str) -> dict[str, str]:
    return {"authorization": f"Bearer {user}"}


@dataclass
class Running:
    """A server, and clients."""

    port: int
    world: World
    sessions: KnownSessions
    streams: Streams
    http: httpx.AsyncClient

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"

    @asynccontextmanager
    async def socket(
        self,
        *,
        headers: dict[str, str] | None = None,
        subprotocols: tuple[str, ...] = (PROTOCOL,),
        **options: Any,
    ) -> AsyncIterator["Client"]:
        async with connect(
            self.url.replace("http", "ws"),
            additional_headers=headers,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            compression=None,
            proxy=None,
            **options,
        ) as connection:
            yield Client(connection)

    @asynccontextmanager
    async def initialised(self, **options: Any) -> AsyncIterator["Client"]:
        async with self.socket(**options) as client:
            await client.send({"type": "connection_init", "payload": bearer("ada")})
            assert await client.receive() == {"type": "connection_ack"}
            yield client

    @asynccontextmanager
    async def stream(
        self, query: str, accept: str, *, user: str = "ada", **body: Any
    ) -> AsyncIterator[httpx.Response]:
        async with self.http.stream(
            "POST", PATH, json={"query": query, **body}, headers={"accept": accept} | bearer(user)
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


async def until(holds: Callable[[], object]) -> None:
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("never came true")


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[int]:
    """Serve an ASGI application on the port that is returned."""
    port = free_port()
    config = uvicorn.Config(
        app,
        port=port,
        ws=WebSocketsSansIOProtocol,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()  # without the main loop, which would take a tenth of a second to end
    try:
        yield port
    finally:
        server.force_exit = True
        await server.shutdown()


@asynccontextmanager
async def serving(limits: Limits | None = None) -> AsyncIterator[Running]:
    world, sessions = World(), KnownSessions()

    async def authenticate(handshake: Handshake) -> Caller:
        user = bearer_token(handshake.payload) or bearer_token(handshake.headers)
        if user is None:
            raise Unauthenticated
        if refused := REFUSED.get(user):
            raise refused
        if user == "slow":
            await asyncio.sleep(0.3)
        return Caller(user, f"session of {user}", world.expires_at)

    streams = Streams(
        subscriptions(SCHEMA, lambda operation: Context(operation, world)),
        authenticate,
        limits or Limits(),
        sessions,
    )
    async with (
        listening(streams) as port,
        # To read the authorities' certificates would take longer than most tests.
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False, verify=False
        ) as http,
    ):
        try:
            yield Running(port, world, sessions, streams, http)
        finally:
            streams.close()
