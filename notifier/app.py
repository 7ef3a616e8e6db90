"""Wires the notifier together."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from redis.asyncio import Redis
from starlette.applications import Starlette
from uuid_utils.compat import uuid7

from chassis.app import open_database, subgraph_app
from chassis.backfill import Backfill, backfill_from, by_id, snapshot_route
from chassis.database import Database
from chassis.events import Event
from chassis.graphql.view import GraphQLView
from chassis.metrics import Metrics
from chassis.outbox import OutboxRelay
from chassis.sessions.client import GrpcSessions
from chassis.sessions.guard import SessionGuard
from chassis.sessions.watch import SessionWatch
from chassis.shutdown import Shutdown
from chassis.streams import StreamConsumer, connect
from chassis.topology import declared
from notifier.addresses import AddressDigests
from notifier.consumer import EventHandler
from notifier.context import NotifierContext
from notifier.dead_letters import DeadLetters
from notifier.domain import Outcome
from notifier.events import GROUP, STREAM
from notifier.mailer import SmtpMailer
from notifier.metrics import count_mails, watch_deliveries
from notifier.mime import Composer
from notifier.rendering import LetterWriter
from notifier.repository import SqlUnitOfWork
from notifier.schema import build_schema
from notifier.sender import Sender
from notifier.service import NotifierService
from notifier.settings import Settings
from notifier.unsubscribe import UnsubscribeLinks, unsubscribe_routes

MIGRATIONS = Path(__file__).parent / "migrations"


def create_app(settings: Settings, shutdown: Shutdown) -> Starlette:
    """The whole service: the consumer of events, the sender of mails, a subgraph, a page."""
    metrics = Metrics()
    database = open_pool(settings)
    redis = connect(settings.redis_url)
    sessions = GrpcSessions(settings.grpc_addresses["auth"])
    watch = SessionWatch(redis, sessions)
    relay = OutboxRelay(
        database, redis, STREAM, groups=settings.event_groups, limit=settings.event_limit
    )
    service = notifier_service(settings, database, relay.wake)
    links = unsubscribe_links(settings)
    mailer, sender = mail_sender(settings, database, count_mails(metrics))
    backfill = _backfill(settings, database, redis, EventHandler(service, sender.wake))
    consumed = declared().consumed_streams(GROUP)
    consumer = StreamConsumer(
        redis,
        consumed,
        group=GROUP,
        handle=backfill.handle,
        reject=dead_letters(settings, database).add,
        claim_idle=settings.claim_after.total_seconds(),
        record=metrics.events_of(GROUP, consumed),
        missed=backfill.missed,
    )
    metrics.database(database)
    metrics.outbox(relay)
    metrics.backfill(backfill)
    watch_deliveries(metrics, unit_of_work(settings, database))

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with (
            open_database(database, MIGRATIONS),
            redis,
            sessions.running(),
            watch.following(),
            mailer.open(),
            sender.running(),
            relay.running(),
            consumer.running(),
            backfill.running(),
        ):
            yield

    return subgraph_app(
        GraphQLView(
            build_schema(introspection=settings.introspection),
            lambda connection: NotifierContext.of(connection, service),
            metrics.operation,
        ),
        router_secret=settings.router_secret,
        sessions=SessionGuard(watch, sessions.has_ended),
        shutdown=shutdown,
        metrics=metrics,
        lifespan=lifespan,
        checks={"database": database.ping},
        routes=[
            *unsubscribe_routes(links, service.unsubscribe, service.resubscribe),
            snapshot_route(by_id(service.snapshot), settings.router_secret),
        ],
    )


def open_pool(settings: Settings) -> Database:
    return Database(settings.database_url, pool_size=settings.database_pool_size)


def unit_of_work(
    settings: Settings, database: Database, wake_relay: Callable[[], None] = lambda: None
) -> SqlUnitOfWork:
    return SqlUnitOfWork(database, AddressDigests(settings.unsubscribe_secrets), wake_relay)


@asynccontextmanager
async def open_backfill(settings: Settings) -> AsyncIterator[Backfill]:
    """Open the backfill of this service, for the command line."""
    database = open_pool(settings)
    redis = connect(settings.redis_url)
    async with open_database(database, MIGRATIONS), redis:
        handler = EventHandler(notifier_service(settings, database))
        yield _backfill(settings, database, redis, handler)


def _backfill(
    settings: Settings, database: Database, redis: Redis, handler: EventHandler
) -> Backfill:
    """Of auth alone: about retweets of the past nobody wants a mail."""
    return backfill_from(
        ["auth"],
        settings,
        database,
        redis,
        group=GROUP,
        handle=handler.handle,
        reject=dead_letters(settings, database).add,
    )


def notifier_service(
    settings: Settings, database: Database, wake_relay: Callable[[], None] = lambda: None
) -> NotifierService:
    return NotifierService(
        unit_of_work=unit_of_work(settings, database, wake_relay),
        now=_now,
        new_id=uuid7,
        digests=AddressDigests(settings.unsubscribe_secrets),
        window=settings.window,
        message_domain=settings.sender.domain,
    )


def mail_sender(
    settings: Settings, database: Database, count: Callable[[Outcome], None] = lambda _: None
) -> tuple[SmtpMailer, Sender]:
    mailer = SmtpMailer(settings.smtp, Composer(settings.sender, _now, settings.signer))
    links = unsubscribe_links(settings)
    sender = Sender(
        unit_of_work(settings, database),
        mailer,
        LetterWriter(settings.sender.display_name, settings.tweet_url, links.url),
        settings.pace,
        now=_now,
        chance=random.random,
        count=count,
    )
    return mailer, sender


def unsubscribe_links(settings: Settings) -> UnsubscribeLinks:
    secrets = settings.unsubscribe_secrets
    return UnsubscribeLinks(settings.public_url, secrets, AddressDigests(secrets))


def dead_letters(settings: Settings, database: Database) -> DeadLetters:
    handler = EventHandler(notifier_service(settings, database))
    return DeadLetters(
        unit_of_work(settings, database), _now, lambda raw: handler.handle(Event.from_json(raw))
    )


def _now() -> datetime:
    return datetime.now(UTC)
