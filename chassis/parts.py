"""The parts that most services share, built from the settings; `app.py` adds the service's own."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute

from chassis.app import open_database, subgraph_app
from chassis.backfill import Backfill, ReadPage, backfill_from, snapshot_route
from chassis.database import Database
from chassis.dead_letters import EventHandler, RejectedEvents
from chassis.exports.answering import answering
from chassis.exports.records import Export
from chassis.graphql.completion_metrics import CompletionMetrics
from chassis.graphql.context import RequestContext
from chassis.graphql.schema import SubgraphSchema
from chassis.graphql.streaming import Streams
from chassis.graphql.view import GraphQLView
from chassis.metrics import Metrics
from chassis.migrations import versions_of
from chassis.outbox import OutboxRelay
from chassis.principal import Principal
from chassis.sessions.client import GrpcSessions
from chassis.sessions.guard import SessionGuard
from chassis.sessions.revocations import revocation_subscriber
from chassis.settings import ServiceSettings
from chassis.shutdown import Shutdown
from chassis.streams import CLAIM_IDLE, StreamConsumer, connect
from chassis.topology import declared
from graphql_streams import Limits

if TYPE_CHECKING:
    from chassis.broadcast import Subscriber

_AUTH = "auth"

Running = Callable[[], AbstractAsyncContextManager[object]]
"""Opens a part for as long as the application runs."""


class Parts:
    """The database, the Redis client, the outbox and the metrics of one service.

    The service must call auth, to refuse the writes of ended sessions. Nothing is connected before
    the application starts.
    """

    def __init__(self, name: str, settings: ServiceSettings, *, keep_events: float = 0.0) -> None:
        """`name` is the service's name in services.toml; `keep_events` as in OutboxRelay."""
        self.service = declared()[name]
        self.settings = settings
        self.metrics = Metrics()
        self.database = Database(settings.database_url, pool_size=settings.database_pool_size)
        self.redis = connect(settings.redis_url)
        self.metrics.database(self.database)
        self._revocations: Subscriber | None = None
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
        """The client of auth for tokens and sessions."""
        return GrpcSessions(self.settings.grpc_addresses[_AUTH])

    def wake_relay(self) -> None:
        """Publish the events in the outbox now."""
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
        """Return the store of events that `handle` could not handle."""
        return RejectedEvents(self.database, handle)

    def backfill(self, handle: EventHandler, owners: Collection[str] | None = None) -> Backfill:
        """Return the backfill of the state of `owners`.

        By default these are all services that this one `consumes`.
        """
        return backfill_from(
            self.service.consumes if owners is None else owners,
            self.settings,
            self.database,
            self.redis,
            group=self.service.name,
            handle=handle,
            reject=self.rejected_events(handle).add,
        )

    def consumer(
        self,
        handle: EventHandler,
        *,
        export: Export | None,
        backfilled: Collection[str] | None = None,
        claim_idle: float = CLAIM_IDLE,
    ) -> Running:
        """Return the consumer of the events of every service that this one `consumes`.

        It backfills the state of the services `backfilled`, by default of all. An event that
        `handle` cannot handle is rejected and kept. `claim_idle` as in StreamConsumer.

        `export` answers requests for the data of a user; None in auth, which makes the requests.
        """
        streams = declared().consumed_streams(self.service.name)
        backfill = self.backfill(handle, backfilled)
        handle_any: EventHandler = backfill.handle
        if export:
            handle_any = answering(
                export,
                backfill.handle,
                redis=self.redis,
                service=self.service.name,
                secret=self.settings.router_secret,
            )
        consumer = StreamConsumer(
            self.redis,
            streams,
            group=self.service.name,
            handle=handle_any,
            reject=self.rejected_events(handle).add,
            claim_idle=claim_idle,
            record=self.metrics.events_of(self.service.name, streams),
            missed=backfill.missed,
        )
        self.metrics.backfill(backfill)

        @asynccontextmanager
        async def running() -> AsyncIterator[None]:
            async with consumer.running(), backfill.running():
                yield

        return running

    def streams(
        self,
        schema: SubgraphSchema,
        make_context: Callable[[HTTPConnection, Principal], RequestContext],
        limits: Limits,
    ) -> Streams:
        """Return the transports of the schema's subscriptions, for `app`.

        A connection ends with its session before `signOut` answers (docs/adr/0006).
        """
        self._revocations = revocation_subscriber(
            self.redis,
            self.sessions,
            open_sessions=lambda: streams.connections.sessions(),
            on_ended=lambda session_ids: streams.connections.end_sessions(session_ids),
        )
        # Only services with subscriptions have the packages of these modules.
        from chassis.graphql.federation import Federation
        from chassis.graphql.router import Router
        from chassis.graphql.supergraph import Supergraph

        router = Router(self.settings.router_url, self.settings.router_secret)
        streams = Streams(
            schema,
            make_context,
            self.sessions.verify,
            limits,
            self._revocations,
            Federation(schema, Supergraph.read(), router, CompletionMetrics(self.metrics.registry)),
        )
        return streams

    def app(
        self,
        schema: SubgraphSchema,
        make_context: Callable[[HTTPConnection], RequestContext],
        shutdown: Shutdown,
        *,
        running: Sequence[Running] = (),
        snapshot: ReadPage | None = None,
        guard: SessionGuard | None = None,
        streams: Streams | None = None,
        routes: Sequence[BaseRoute] = (),
    ) -> Starlette:
        """Return the application.

        `make_context` builds the context of each operation. `running` are opened in order, after
        the database, Redis and the outbox, and closed in reverse. `snapshot` reads a page of the
        state that other services ask for. `guard` is for the service that asks no other one about
        sessions. `streams` is what the method of that name returned; `routes` as in
        `subgraph_app`.
        """
        if guard is None:
            watch = self._revocations or revocation_subscriber(self.redis, self.sessions)
            guard = SessionGuard(watch, self.sessions.has_ended)
            running = (self.sessions.running, watch.following, *running)

        @asynccontextmanager
        async def lifespan() -> AsyncIterator[None]:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(self.opened())
                if self.relay:
                    await stack.enter_async_context(self.relay.running())
                for open_part in running:
                    await stack.enter_async_context(open_part())
                yield

        if snapshot:
            routes = (*routes, snapshot_route(snapshot, self.settings.router_secret))
        return subgraph_app(
            GraphQLView(schema, make_context, self.metrics.operation),
            streams=streams,
            router_secret=self.settings.router_secret,
            sessions=guard,
            shutdown=shutdown,
            metrics=self.metrics,
            lifespan=lifespan,
            # Not Redis: without it events wait in the outbox, and requests are still answered.
            checks={"database": self.database.ping},
            routes=routes,
        )
