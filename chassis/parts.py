"""The parts of a usual service, built from its settings: its `app.py` wires only its own."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cached_property

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute

from chassis.app import open_database, subgraph_app
from chassis.backfill import Backfill, ReadPage, backfill_from, snapshot_route
from chassis.database import Database
from chassis.dead_letters import EventHandler, RejectedEvents
from chassis.graphql.context import RequestContext
from chassis.graphql.schema import SubgraphSchema
from chassis.graphql.streaming import Streams
from chassis.graphql.view import GraphQLView
from chassis.metrics import Metrics
from chassis.migrations import versions_of
from chassis.outbox import OutboxRelay
from chassis.sessions.client import GrpcSessions
from chassis.sessions.guard import SessionGuard
from chassis.sessions.watch import SessionWatch
from chassis.settings import ServiceSettings
from chassis.shutdown import Shutdown
from chassis.streams import StreamConsumer, connect
from chassis.topology import declared

_AUTH = "auth"

Running = Callable[[], AbstractAsyncContextManager[object]]
"""Opens something for as long as the application runs."""


class Parts:
    """The database, the Redis client, the outbox and the metrics of one service.

    The service calls auth, which knows the sessions that have ended: a write of one is refused.
    Nothing is connected before the application starts.
    """

    def __init__(self, name: str, settings: ServiceSettings, *, keep_events: float = 0.0) -> None:
        """`name` is that of the service in services.toml; `keep_events` as in OutboxRelay."""
        self.service = declared()[name]
        self.settings = settings
        self.metrics = Metrics()
        self.database = Database(settings.database_url, pool_size=settings.database_pool_size)
        self.redis = connect(settings.redis_url)
        self.metrics.database(self.database)
        self.relay: OutboxRelay | None = None
        if self.service.publishes:
            self.relay = OutboxRelay(
                self.database,
                self.redis,
                self.service.stream,
                groups=settings.event_groups,
                limit=settings.event_limit,
                keep=keep_events,
            )
            self.metrics.outbox(self.relay)

    @cached_property
    def sessions(self) -> GrpcSessions:
        """What auth knows of tokens and sessions. The service has to call auth."""
        return GrpcSessions(self.settings.grpc_addresses[_AUTH])

    def wake_relay(self) -> None:
        """Publish at once what was written to the outbox."""
        if self.relay:
            self.relay.wake()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Keep the database and the Redis client open inside the block.

        Raises DatabaseUnavailableError or SchemaNotCurrentError.
        """
        async with open_database(self.database, versions_of(self.service.name)), self.redis:
            yield

    def rejected_events(self, handle: EventHandler) -> RejectedEvents:
        """Return the events that `handle` could not handle."""
        return RejectedEvents(self.database, handle)

    def backfill(self, handle: EventHandler) -> Backfill:
        """Return what asks the services that this one `consumes` for what happened before."""
        return backfill_from(
            self.service.consumes,
            self.settings,
            self.database,
            self.redis,
            group=self.service.name,
            handle=handle,
            reject=self.rejected_events(handle).add,
        )

    def consumer(self, handle: EventHandler) -> Running:
        """Return what follows the events of every service that this one `consumes`.

        It backfills what happened before. What `handle` cannot handle is rejected and kept.
        """
        streams = declared().consumed_streams(self.service.name)
        backfill = self.backfill(handle)
        consumer = StreamConsumer(
            self.redis,
            streams,
            group=self.service.name,
            handle=backfill.handle,
            reject=self.rejected_events(handle).add,
            record=self.metrics.events_of(self.service.name, streams),
            missed=backfill.missed,
        )
        self.metrics.backfill(backfill)

        @asynccontextmanager
        async def running() -> AsyncIterator[None]:
            async with consumer.running(), backfill.running():
                yield

        return running

    def app(
        self,
        schema: SubgraphSchema,
        make_context: Callable[[HTTPConnection], RequestContext],
        shutdown: Shutdown,
        *,
        running: Sequence[Running] = (),
        snapshot: ReadPage | None = None,
        watch: SessionWatch | None = None,
        streams: Streams | None = None,
        routes: Sequence[BaseRoute] = (),
    ) -> Starlette:
        """Return the application.

        `make_context` builds the context of each operation. `running` are opened in their order,
        after the database, Redis and the outbox, and closed in reverse. `snapshot` reads a page of
        the state that other services ask for. `watch` is the service's own, where more than writes
        depends on it. `streams` and `routes` are those of `subgraph_app`.
        """
        watch = watch or SessionWatch(self.redis, self.sessions)

        @asynccontextmanager
        async def lifespan() -> AsyncIterator[None]:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(self.opened())
                if self.relay:
                    await stack.enter_async_context(self.relay.running())
                for open_part in (self.sessions.running, watch.following, *running):
                    await stack.enter_async_context(open_part())
                yield

        if snapshot:
            routes = (*routes, snapshot_route(snapshot, self.settings.router_secret))
        return subgraph_app(
            GraphQLView(schema, make_context, self.metrics.operation),
            streams=streams,
            router_secret=self.settings.router_secret,
            sessions=SessionGuard(watch, self.sessions.has_ended),
            shutdown=shutdown,
            metrics=self.metrics,
            lifespan=lifespan,
            # Not Redis: without it events wait in the outbox, and every request is answered.
            checks={"database": self.database.ping},
            routes=routes,
        )
