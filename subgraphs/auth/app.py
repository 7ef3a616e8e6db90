"""Wires the auth service together."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from uuid import UUID

from redis.asyncio import BlockingConnectionPool, Redis
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uuid_utils.compat import uuid7

from chassis import background
from chassis.app import open_database, traced
from chassis.backfill import by_id
from chassis.broadcast import Subscriber
from chassis.database import Database
from chassis.dead_letters import EventHandler
from chassis.migrations import versions_of
from chassis.parts import Parts
from chassis.sessions.guard import SessionGuard
from chassis.settings import SettingsError, Stage
from chassis.shutdown import Shutdown
from chassis.topology import declared
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.auth import key_file
from subgraphs.auth.authorize import PATH, Authorizer
from subgraphs.auth.breached_passwords import BreachedPasswords, InvalidFilterError
from subgraphs.auth.codes import HmacCodes
from subgraphs.auth.common_passwords import is_common
from subgraphs.auth.consumer import handler
from subgraphs.auth.context import AuthContext
from subgraphs.auth.credentials import Credentials
from subgraphs.auth.devices import HmacDeviceTokens
from subgraphs.auth.emails import normalize_email
from subgraphs.auth.grpc_server import address, serving
from subgraphs.auth.grpc_service import (
    ACCOUNT_MAILS,
    SESSIONS,
    account_mails_handler,
    sessions_handler,
)
from subgraphs.auth.keys import KeyRing
from subgraphs.auth.mails import AccountMails
from subgraphs.auth.metrics import (
    count_answers,
    count_refused_attempts,
    count_verifications,
    record_readable_keys,
)
from subgraphs.auth.operators import OperatorService
from subgraphs.auth.origins import BoundOrigin, current_origin
from subgraphs.auth.pages import account_routes
from subgraphs.auth.passwords import Argon2Cost, Argon2PasswordHasher
from subgraphs.auth.policy import Policy
from subgraphs.auth.recovery import RecoveryService
from subgraphs.auth.repository import SqlRepositories
from subgraphs.auth.revocations import RedisRevocationAnnouncer, revocation_subscriber
from subgraphs.auth.schema import build_schema
from subgraphs.auth.security_events import Origin
from subgraphs.auth.security_log import SecurityLog
from subgraphs.auth.service import AuthService
from subgraphs.auth.sessions import SessionService
from subgraphs.auth.settings import Settings
from subgraphs.auth.throttle import RedisThrottle
from subgraphs.auth.tokens import CLOCK_TOLERANCE, HmacRefreshTokens, JwtAccessTokens
from subgraphs.auth.verification import Verification

_JWKS_MAX_AGE = 300  # seconds


def create_app(settings: Settings, shutdown: Shutdown) -> ASGIApp:
    """Return the whole service: `/authorize` for the edge, a subgraph, gRPC for other services.

    Raises SettingsError for keys that cannot be read.
    """
    parts = Parts("auth", settings)
    registry = parts.metrics.registry
    auth = _Auth(
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
    return handler(_Auth(settings, database, lambda: None, lambda _: None).service)


@asynccontextmanager
async def operating(settings: Settings, operator: str) -> AsyncIterator[OperatorService]:
    """Open the use cases of operators, for commands beside a running system.

    Its processes publish the events. Raises DatabaseUnavailableError or SchemaNotCurrentError.
    """
    database = Database(settings.database_url, pool_size=1)
    origin = Origin(operator=operator)
    auth = _Auth(settings, database, lambda: None, lambda _: None, lambda: origin)
    async with open_database(database, versions_of("auth")), auth.redis:
        yield auth.operators


@dataclass(frozen=True)
class _Auth:
    """The adapters of the use cases, each built when it is first used."""

    settings: Settings
    database: Database
    wake_relay: Callable[[], None]
    refused: Callable[[str], None]
    """Records an attempt that a budget of this kind refused."""
    origin: Callable[[], Origin] = current_origin
    """Returns who causes the work that is running."""

    @cached_property
    def access_tokens(self) -> JwtAccessTokens:
        """Raises SettingsError."""
        try:
            keys = key_file.read(self.settings.signing_keys_file)
        except ValueError as error:
            raise SettingsError([f"AUTH_SIGNING_KEYS_FILE: {error}"]) from error
        return JwtAccessTokens(
            keys,
            issuer=self.settings.issuer,
            audience=self.settings.audience,
            lifetime=self.settings.access_token_lifetime,
        )

    @cached_property
    def refresh_tokens(self) -> HmacRefreshTokens:
        return HmacRefreshTokens(self.settings.refresh_secret)

    @cached_property
    def policy(self) -> Policy:
        settings = self.settings
        return Policy(
            settings.roles,
            session_lifetime=settings.session_lifetime,
            session_max_lifetime=settings.session_max_lifetime,
            refresh_retry_window=settings.refresh_retry_window,
            recent=settings.reauthentication_max_age,
            new_device_mails=settings.new_device_mails,
        )

    @cached_property
    def passwords(self) -> Argon2PasswordHasher:
        return Argon2PasswordHasher(
            Argon2Cost(self.settings.argon2_memory_kib, self.settings.argon2_passes),
            workers=self.settings.password_workers,
            backlog=self.settings.password_backlog,
        )

    @cached_property
    def redis(self) -> Redis:
        """The client of revocations and throttle, which requests wait for: it gives up early."""
        return Redis.from_pool(
            BlockingConnectionPool.from_url(
                self.settings.redis_url,
                decode_responses=True,
                socket_timeout=2.0,
                max_connections=20,
            )
        )

    @cached_property
    def unit_of_work(self) -> SqlUnitOfWork[SqlRepositories]:
        return SqlUnitOfWork(self.database, SqlRepositories.on, self.wake_relay)

    @cached_property
    def revocations(self) -> Subscriber:
        lifetime = self.settings.access_token_lifetime + CLOCK_TOLERANCE
        return revocation_subscriber(
            self.redis, self._ended_sessions, token_lifetime=lifetime.total_seconds()
        )

    @cached_property
    def throttle(self) -> RedisThrottle:
        return RedisThrottle(self.redis, self.settings.refresh_secret, record=self.refused)

    @cached_property
    def is_common_password(self) -> Callable[[str], bool]:
        """Return whether a password is common or has leaked. Raises SettingsError."""
        if self.settings.breached_passwords_file is None:
            return is_common
        try:
            is_breached = BreachedPasswords(self.settings.breached_passwords_file)
        except InvalidFilterError as error:
            raise SettingsError([f"AUTH_BREACHED_PASSWORDS_FILE: {error}"]) from error
        return lambda password: is_common(password) or is_breached(password)

    @cached_property
    def credentials(self) -> Credentials:
        return Credentials(
            unit_of_work=self.unit_of_work,
            passwords=self.passwords,
            normalize_email=normalize_email,
            is_common_password=self.is_common_password,
            product=declared().project.title,
            devices=HmacDeviceTokens(self.settings.refresh_secret),
            throttle=self.throttle,
            limits=self.settings.limits,
            security_log=self.security_log,
        )

    @cached_property
    def security_log(self) -> SecurityLog:
        return SecurityLog(self.unit_of_work, self.origin, now=_now, new_id=uuid7)

    @cached_property
    def mails(self) -> AccountMails:
        return AccountMails(
            self.unit_of_work, HmacCodes(self.settings.code_secret), now=_now, new_id=uuid7
        )

    @cached_property
    def announcer(self) -> RedisRevocationAnnouncer:
        return RedisRevocationAnnouncer(self.redis, self.revocations)

    @cached_property
    def recovery(self) -> RecoveryService:
        return RecoveryService(
            credentials=self.credentials,
            mails=self.mails,
            revocations=self.announcer,
            throttle=self.throttle,
            limits=self.settings.limits,
            security_log=self.security_log,
            now=_now,
        )

    @cached_property
    def operators(self) -> OperatorService:
        return OperatorService(
            credentials=self.credentials,
            mails=self.mails,
            revocations=self.announcer,
            security_log=self.security_log,
            policy=self.policy,
            now=_now,
        )

    @cached_property
    def service(self) -> AuthService:
        settings = self.settings
        return AuthService(
            unit_of_work=self.unit_of_work,
            credentials=self.credentials,
            mails=self.mails,
            access_tokens=self.access_tokens,
            refresh_tokens=self.refresh_tokens,
            revocations=self.announcer,
            throttle=self.throttle,
            limits=settings.limits,
            security_log=self.security_log,
            policy=self.policy,
            now=_now,
            new_id=uuid7,
        )

    @cached_property
    def sessions(self) -> SessionService:
        return SessionService(
            credentials=self.credentials,
            access_tokens=self.access_tokens,
            refresh_tokens=self.refresh_tokens,
            revocations=self.announcer,
            security_log=self.security_log,
            policy=self.policy,
            now=_now,
            new_id=uuid7,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow revocations and outages of Redis inside the block, on an open database."""
        async with self.redis, self.revocations.following(), self.throttle.running():
            yield
        self.passwords.close()

    async def live_sessions(self, session_ids: Collection[UUID]) -> Collection[UUID]:
        """Return those of the sessions that the database knows to be live."""
        return await self.unit_of_work.read(lambda r: r.sessions.live(session_ids, _now()))

    async def can_answer(self) -> bool:
        """Return whether tokens and sessions can be verified."""
        if self.revocations.is_current:
            return True
        try:
            await self.database.ping()
        except Exception:
            return False
        return True

    async def _ended_sessions(self, since: datetime) -> Sequence[UUID]:
        return await self.unit_of_work.read(lambda r: r.sessions.ended_since(since))


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


def _now() -> datetime:
    return datetime.now(UTC)
