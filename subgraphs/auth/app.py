"""Wires the auth service together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from redis.asyncio import BlockingConnectionPool, Redis
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uuid_utils.compat import uuid7

from chassis.app import open_database, subgraph_app, traced
from chassis.backfill import backfill_from, by_id, snapshot_route
from chassis.database import Database
from chassis.dead_letters import EventHandler, RejectedEvents
from chassis.graphql.view import GraphQLView
from chassis.metrics import Metrics
from chassis.migrations import versions_of
from chassis.outbox import OutboxRelay
from chassis.sessions.guard import SessionGuard
from chassis.settings import SettingsError, Stage
from chassis.shutdown import Shutdown
from chassis.streams import StreamConsumer, connect
from chassis.topology import declared
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.auth.authorize import PATH, Authorizer
from subgraphs.auth.consumer import GROUP, handler
from subgraphs.auth.context import AuthContext
from subgraphs.auth.emails import normalize_email
from subgraphs.auth.events import STREAM
from subgraphs.auth.grpc_server import address, serving
from subgraphs.auth.grpc_service import SERVICE, sessions_handler
from subgraphs.auth.keys import KeyRing
from subgraphs.auth.metrics import count_answers, count_verifications
from subgraphs.auth.passwords import Argon2Cost, Argon2PasswordHasher
from subgraphs.auth.repository import SqlRepositories
from subgraphs.auth.revocations import RedisRevocationAnnouncer, RevocationFeed
from subgraphs.auth.schema import build_schema
from subgraphs.auth.service import AuthService, Policy
from subgraphs.auth.settings import Settings
from subgraphs.auth.tokens import HmacRefreshTokens, JwtAccessTokens
from subgraphs.auth.verification import Verification

_CLOCK_TOLERANCE = timedelta(minutes=1)
_JWKS_MAX_AGE = 300


def create_app(settings: Settings, shutdown: Shutdown) -> ASGIApp:
    """The whole service: `/authorize` for the edge, a subgraph, and gRPC for other services.

    Raises SettingsError for keys that cannot be read.
    """
    keys = _key_ring(settings)
    metrics = Metrics()
    database = Database(settings.database_url, pool_size=settings.database_pool_size)
    redis = Redis.from_pool(
        BlockingConnectionPool.from_url(
            settings.redis_url, decode_responses=True, socket_timeout=2.0, max_connections=20
        )
    )
    streams = connect(settings.redis_url)
    relay = OutboxRelay(
        database, streams, STREAM, groups=settings.event_groups, limit=settings.event_limit
    )
    unit_of_work = SqlUnitOfWork(database, SqlRepositories.on, relay.wake)
    handle = handler(unit_of_work)
    reject = RejectedEvents(database, handle).add
    backfill = backfill_from(
        settings.owner_urls, settings, database, streams, group=GROUP, handle=handle, reject=reject
    )
    consumed = declared().consumed_streams(GROUP)
    consumer = StreamConsumer(
        streams,
        consumed,
        group=GROUP,
        handle=backfill.handle,
        reject=reject,
        record=metrics.events_of(GROUP, consumed),
        missed=backfill.missed,
    )
    access_tokens = JwtAccessTokens(
        keys,
        issuer=settings.issuer,
        audience=settings.audience,
        lifetime=settings.access_token_lifetime,
    )
    passwords = Argon2PasswordHasher(
        Argon2Cost(settings.argon2_memory_kib, settings.argon2_passes),
        workers=settings.password_workers,
        backlog=settings.password_backlog,
    )
    remembered = settings.access_token_lifetime + _CLOCK_TOLERANCE
    feed = RevocationFeed(
        redis,
        lambda moment: unit_of_work.read(lambda r: r.sessions.ended_since(moment)),
        token_lifetime=remembered.total_seconds(),
    )
    service = AuthService(
        unit_of_work=unit_of_work,
        passwords=passwords,
        access_tokens=access_tokens,
        refresh_tokens=HmacRefreshTokens(settings.refresh_secret),
        revocations=RedisRevocationAnnouncer(redis, feed),
        normalize_email=normalize_email,
        policy=Policy(settings.scopes, settings.session_lifetime, settings.refresh_retry_window),
        now=_now,
        new_id=uuid7,
    )
    verification = Verification(
        count_verifications(metrics.registry, access_tokens.verify),
        feed,
        lambda session_ids: unit_of_work.read(lambda r: r.sessions.live(session_ids, _now())),
        cache_size=settings.token_cache_size,
    )
    authorizer = Authorizer(verification, count_answers(metrics.registry))
    authorize = traced(authorizer)
    metrics.database(database)
    metrics.outbox(relay)
    metrics.backfill(backfill)
    jwks = JSONResponse(keys.jwks(), headers={"cache-control": f"public, max-age={_JWKS_MAX_AGE}"})

    async def serve_jwks(_: Request) -> Response:
        return jwks

    async def can_answer() -> bool:
        """Whether tokens and sessions can be checked."""
        if feed.is_current:
            return True
        try:
            await database.ping()
        except Exception:
            return False
        return True

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with (
            open_database(database, versions_of("auth")),
            redis,
            streams,
            feed.following(),
            relay.running(),
            consumer.running(),
            backfill.running(),
            serving(
                sessions_handler(verification),
                services=[SERVICE],
                address=address(settings.grpc_host, settings.grpc_port),
                can_answer=can_answer,
                shutdown=shutdown,
                reflected=settings.stage is Stage.DEVELOPMENT,
            ),
        ):
            yield
        passwords.close()

    subgraph = subgraph_app(
        GraphQLView(
            build_schema(introspection=settings.introspection),
            lambda connection: AuthContext.of(connection, service),
            metrics.operation,
        ),
        router_secret=settings.router_secret,
        sessions=SessionGuard(feed, verification.has_ended),
        shutdown=shutdown,
        metrics=metrics,
        lifespan=lifespan,
        checks={"database": database.ping},
        routes=[
            Route("/.well-known/jwks.json", serve_jwks),
            snapshot_route(by_id(service.snapshot), settings.router_secret),
        ],
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PATH):
            await authorize(scope, receive, send)
        else:
            await subgraph(scope, receive, send)

    return app


def event_handler(_: Settings, database: Database) -> EventHandler:
    """Return what the service does with an event, for commands outside of `serve`."""
    # It writes no event, so there is no relay to wake.
    return handler(SqlUnitOfWork(database, SqlRepositories.on))


def _key_ring(settings: Settings) -> KeyRing:
    try:
        return KeyRing.parse(settings.signing_keys)
    except ValueError as error:
        raise SettingsError([f"AUTH_SIGNING_KEYS cannot be read: {error}"]) from error


def _now() -> datetime:
    return datetime.now(UTC)
