"""Wires the auth service together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis import background
from chassis.app import open_database, traced
from chassis.backfill import by_id
from chassis.database import Database
from chassis.dead_letters import EventHandler
from chassis.migrations import versions_of
from chassis.parts import Parts
from chassis.sessions.guard import SessionGuard
from chassis.settings import Stage
from chassis.shutdown import Shutdown
from subgraphs.auth import key_file
from subgraphs.auth.adapters import Adapters
from subgraphs.auth.authorize import PATH, Authorizer
from subgraphs.auth.consumer import handler
from subgraphs.auth.context import AuthContext
from subgraphs.auth.grpc_server import address, serving
from subgraphs.auth.grpc_service import (
    ACCOUNT_MAILS,
    SESSIONS,
    account_mails_handler,
    sessions_handler,
)
from subgraphs.auth.keys import KeyRing
from subgraphs.auth.metrics import (
    count_answers,
    count_refused_attempts,
    count_verifications,
    record_readable_keys,
)
from subgraphs.auth.operators import OperatorService
from subgraphs.auth.origins import BoundOrigin
from subgraphs.auth.pages import account_routes
from subgraphs.auth.schema import build_schema
from subgraphs.auth.security_events import Origin
from subgraphs.auth.settings import Settings
from subgraphs.auth.tokens import JwtAccessTokens
from subgraphs.auth.verification import Verification

_JWKS_MAX_AGE = 300  # seconds


def create_app(settings: Settings, shutdown: Shutdown) -> ASGIApp:
    """Return the whole service: `/authorize` for the edge, a subgraph, gRPC for other services.

    Raises SettingsError for keys that cannot be read.
    """
    parts = Parts("auth", settings)
    registry = parts.metrics.registry
    auth = Adapters(
        settings, parts.database, parts.wake_relay, refused=count_refused_attempts(registry)
    )
    verification = Verification(
        count_verifications(registry, auth.access_tokens.verify),
        auth.revocations,
        auth.live_sessions,
        cache_size=settings.token_cache_size,
    )

    @asynccontextmanager
    async def serving_grpc() -> AsyncIterator[None]:
        async with serving(
            {
                SESSIONS: sessions_handler(verification),
                ACCOUNT_MAILS: account_mails_handler(auth.mails, settings.account_mail_secret),
            },
            address=address(settings.grpc_host, settings.grpc_port),
            can_answer=auth.can_answer,
            shutdown=shutdown,
            reflected=settings.stage is Stage.DEVELOPMENT,
        ):
            yield

    @asynccontextmanager
    async def following_keys() -> AsyncIterator[None]:
        tokens, path = auth.access_tokens, settings.signing_keys_file

        def use(ring: KeyRing) -> None:
            removed = tokens.keys.public_keys().keys() - ring.public_keys().keys()
            tokens.use(ring)
            if removed:
                verification.forget()

        async with background.running(
            key_file.follow(path, tokens.keys, use, record=record_readable_keys(registry))
        ):
            yield

    service, recovery, sessions = auth.service, auth.recovery, auth.sessions
    subgraph = parts.app(
        build_schema(introspection=settings.introspection),
        lambda connection: AuthContext.from_connection(
            connection, service=service, recovery=recovery, sessions=sessions
        ),
        shutdown,
        running=[
            auth.running,
            following_keys,
            parts.consumer(handler(service), export=None),
            serving_grpc,
        ],
        snapshot=by_id(service.snapshot),
        guard=SessionGuard(auth.revocations, verification.has_ended),
        routes=[_jwks_route(auth.access_tokens), *account_routes(recovery)],
    )
    return _by_path(
        traced(Authorizer(verification, count_answers(registry))), BoundOrigin(subgraph)
    )


def event_handler(settings: Settings, database: Database) -> EventHandler:
    """Return what the service does with an event, for commands outside of `serve`."""
    # It writes no event, so there is no relay to wake.
    return handler(Adapters(settings, database, lambda: None, lambda _: None).service)


@asynccontextmanager
async def operating(settings: Settings, operator: str) -> AsyncIterator[OperatorService]:
    """Open the use cases of operators, for commands beside a running system.

    Its processes publish the events. Raises DatabaseUnavailableError or SchemaNotCurrentError.
    """
    database = Database(settings.database_url, pool_size=1)
    origin = Origin(operator=operator)
    auth = Adapters(settings, database, lambda: None, lambda _: None, lambda: origin)
    async with open_database(database, versions_of("auth")), auth.redis:
        yield auth.operators


def _jwks_route(tokens: JwtAccessTokens) -> Route:
    async def serve_jwks(_: Request) -> Response:
        headers = {"cache-control": f"public, max-age={_JWKS_MAX_AGE}"}
        return JSONResponse(tokens.keys.jwks(), headers=headers)

    return Route("/.well-known/jwks.json", serve_jwks)


def _by_path(authorize: ASGIApp, subgraph: ASGIApp) -> ASGIApp:
    """Return an application that routes the edge's questions past Starlette (docs/adr/0005)."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PATH):
            await authorize(scope, receive, send)
        else:
            await subgraph(scope, receive, send)

    return app
