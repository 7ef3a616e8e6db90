"""Puts the tweets service together."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from uuid_utils.compat import uuid7

from chassis.app import open_database, subgraph_app
from chassis.backfill import Backfill, backfill_from, by_id, snapshot_route
from chassis.database import Database
from chassis.graphql.streaming import Streams
from chassis.graphql.view import GraphQLView
from chassis.metrics import Metrics
from chassis.outbox import OutboxRelay
from chassis.principal import Principal
from chassis.sessions.client import GrpcSessions
from chassis.sessions.guard import SessionGuard
from chassis.sessions.watch import SessionWatch
from chassis.shutdown import Shutdown
from chassis.streams import StreamConsumer, connect
from chassis.text import count_characters, is_visible
from subgraphs.tweets.consumer import GROUP, EventHandler
from subgraphs.tweets.context import TweetsContext
from subgraphs.tweets.events import AUTH_STREAM, STREAM
from subgraphs.tweets.feed import KEPT, Feed, Subscriptions
from subgraphs.tweets.metrics import count_subscriptions, feed_delay
from subgraphs.tweets.repository import SqlRejectedEvents, SqlUnitOfWork
from subgraphs.tweets.schema import build_schema
from subgraphs.tweets.service import TweetService
from subgraphs.tweets.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"


def create_app(settings: Settings, shutdown: Shutdown) -> Starlette:
    metrics = Metrics()
    database = Database(settings.database_url, pool_size=settings.database_pool_size)
    redis = connect(settings.redis_url)
    relay = OutboxRelay(
        database,
        redis,
        STREAM,
        groups=settings.event_groups,
        limit=settings.event_limit,
        keep=KEPT,
    )
    tweets = _service(database, relay.wake)
    sessions = GrpcSessions(settings.grpc_addresses["auth"])
    subscriptions = Subscriptions()

    def make_context(connection: HTTPConnection, principal: Principal | None) -> TweetsContext:
        return TweetsContext.of(connection, principal, tweets, feed)

    schema = build_schema(introspection=settings.introspection)
    streams = Streams(schema, make_context, sessions.verify, settings.streams)

    def end_sessions(session_ids: Collection[str]) -> None:
        streams.places.end_sessions(session_ids)
        subscriptions.end_sessions(session_ids)

    watch = SessionWatch(
        redis, sessions, open_sessions=streams.places.sessions, on_ended=end_sessions
    )
    feed = Feed(redis, tweets, subscriptions, watch, feed_delay(metrics.registry))
    backfill = _backfill(settings, database, redis, tweets)
    consumer = StreamConsumer(
        redis,
        [AUTH_STREAM],
        group=GROUP,
        handle=backfill.handle,
        reject=SqlRejectedEvents(database).add,
        tell=metrics.events_of(GROUP, [AUTH_STREAM]),
        missed=backfill.missed,
    )
    metrics.database(database)
    metrics.outbox(relay)
    metrics.backfill(backfill)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with (
            open_database(database, MIGRATIONS),
            redis,
            relay.running(),
            sessions.running(),
            watch.following(),
            feed.running(),
            consumer.running(),
            backfill.running(),
        ):
            yield

    count_subscriptions(metrics.registry, streams, subscriptions)
    return subgraph_app(
        GraphQLView(schema, lambda request: make_context(request, None), metrics.operation),
        streams=streams,
        router_secret=settings.router_secret,
        sessions=SessionGuard(watch, sessions.has_ended),
        shutdown=shutdown,
        metrics=metrics,
        lifespan=lifespan,
        # Not Redis: without it events wait in the outbox, and every request is answered.
        checks={"database": database.ping},
        routes=[snapshot_route(by_id(tweets.snapshot), settings.router_secret)],
    )


@asynccontextmanager
async def open_backfill(settings: Settings) -> AsyncIterator[Backfill]:
    """Open the backfill of this service, for the command line."""
    database = Database(settings.database_url, pool_size=settings.database_pool_size)
    redis = connect(settings.redis_url)
    async with open_database(database, MIGRATIONS), redis:
        # The relays of the running service find what is written here within a second.
        yield _backfill(settings, database, redis, _service(database, lambda: None))


def _service(database: Database, wake_relay: Callable[[], None]) -> TweetService:
    return TweetService(
        unit_of_work=SqlUnitOfWork(database, wake_relay),
        count_characters=count_characters,
        is_visible=is_visible,
        now=lambda: datetime.now(UTC),
        new_id=uuid7,
    )


def _backfill(
    settings: Settings, database: Database, redis: Redis, service: TweetService
) -> Backfill:
    return backfill_from(
        ["auth"],
        settings,
        database,
        redis,
        group=GROUP,
        handle=EventHandler(service).handle,
        reject=SqlRejectedEvents(database).add,
    )
