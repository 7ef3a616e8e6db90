"""Builds what the use cases of the auth service need."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from uuid import UUID

from redis.asyncio import BlockingConnectionPool, Redis
from uuid_utils.compat import uuid7

from chassis.broadcast import Subscriber
from chassis.database import Database
from chassis.node_ids import naming
from chassis.settings import SettingsError
from chassis.topology import declared
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.auth import key_file
from subgraphs.auth.breached_passwords import BreachedPasswords, InvalidFilterError
from subgraphs.auth.codes import HmacCodes
from subgraphs.auth.common_passwords import is_common
from subgraphs.auth.credentials import Credentials
from subgraphs.auth.devices import HmacDeviceTokens
from subgraphs.auth.emails import normalize_email
from subgraphs.auth.mails import AccountMails
from subgraphs.auth.operators import OperatorService
from subgraphs.auth.origins import current_origin
from subgraphs.auth.passwords import Argon2Cost, Argon2PasswordHasher
from subgraphs.auth.policy import Policy
from subgraphs.auth.recovery import RecoveryService
from subgraphs.auth.repository import SqlRepositories
from subgraphs.auth.revocations import RedisRevocationAnnouncer, revocation_subscriber
from subgraphs.auth.security_events import Origin
from subgraphs.auth.security_log import SecurityLog
from subgraphs.auth.service import AuthService
from subgraphs.auth.sessions import SessionService
from subgraphs.auth.settings import Settings
from subgraphs.auth.throttle import RedisThrottle
from subgraphs.auth.tokens import CLOCK_TOLERANCE, HmacRefreshTokens, JwtAccessTokens


@dataclass(frozen=True)
class Adapters:
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
            new_user_id=naming("User", uuid7),
            new_session_id=uuid7,
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


def _now() -> datetime:
    return datetime.now(UTC)
