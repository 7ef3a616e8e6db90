"""The composition root of the tweets service."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from uuid_utils.compat import uuid7

from chassis.backfill import by_id
from chassis.database import Database
from chassis.dead_letters import EventHandler
from chassis.node_ids import naming
from chassis.parts import Parts
from chassis.principal import Principal
from chassis.shutdown import Shutdown
from chassis.text import count_characters, is_visible
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.tweets.consumer import handler
from subgraphs.tweets.context import TweetsContext
from subgraphs.tweets.export import user_records
from subgraphs.tweets.feed import KEPT_SECONDS, Feed
from subgraphs.tweets.metrics import count_subscriptions, feed_delay
from subgraphs.tweets.repository import SqlRepositories
from subgraphs.tweets.schema import build_schema
from subgraphs.tweets.service import TweetService
from subgraphs.tweets.settings import Settings
from subgraphs.tweets.subscriptions import Subscriptions


def create_app(settings: Settings, shutdown: Shutdown) -> Starlette:
    """Return the application: the subgraph, its live feeds, and the consumer of events."""
    parts = Parts("tweets", settings, keep_events=KEPT_SECONDS)
    service = tweet_service(parts.database, parts.wake_relay)
    subscriptions = Subscriptions()

    def make_context(
        connection: HTTPConnection, principal: Principal | None = None
    ) -> TweetsContext:
        return TweetsContext.from_connection(connection, principal, service=service, feed=feed)

    schema = build_schema(introspection=settings.introspection)
    streams = parts.streams(schema, make_context, settings.streams)
    registry = parts.metrics.registry
    feed = Feed(parts.redis, service, subscriptions, feed_delay(registry))
    count_subscriptions(registry, streams, subscriptions)
    return parts.app(
        schema,
        make_context,
        shutdown,
        running=[
            feed.running,
            parts.consumer(handler(service), export=partial(user_records, service.unit_of_work)),
        ],
        snapshot=by_id(service.snapshot),
        streams=streams,
    )


def event_handler(_: Settings, database: Database) -> EventHandler:
    """Return the handler of events, for commands other than `serve`."""
    return handler(tweet_service(database))


def tweet_service(database: Database, wake: Callable[[], None] = lambda: None) -> TweetService:
    """Return the use cases. `wake` runs after the commit of a transaction that added an event."""
    return TweetService(
        unit_of_work=SqlUnitOfWork(database, SqlRepositories.on, wake),
        count_characters=count_characters,
        is_visible=is_visible,
        now=lambda: datetime.now(UTC),
        new_id=naming("Tweet", uuid7),
    )
