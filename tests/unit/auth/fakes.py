"""Fakes of the ports of the auth service; the repositories keep everything in memory."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from chassis.events import Event
from chassis.node_ids import naming
from chassis.paging import Page, PageRequest
from chassis.ports import T
from subgraphs.auth.codes import HmacCodes
from subgraphs.auth.common_passwords import is_common
from subgraphs.auth.credentials import Credentials
from subgraphs.auth.devices import HmacDeviceTokens
from subgraphs.auth.domain import (
    Account,
    AccountMail,
    DeletedUser,
    Device,
    EmailSettings,
    MailKind,
    RefreshToken,
    Session,
    User,
)
from subgraphs.auth.emails import normalize_email
from subgraphs.auth.errors import EmailTaken, TooManyAttempts, UsernameTaken
from subgraphs.auth.keys import KeyRing, SigningKey
from subgraphs.auth.limits import Budget, Limits
from subgraphs.auth.logins import Login
from subgraphs.auth.mails import AccountMails
from subgraphs.auth.operators import OperatorService
from subgraphs.auth.policy import Policy
from subgraphs.auth.ports import Repositories, UnitOfWork, Work
from subgraphs.auth.recovery import RecoveryService
from subgraphs.auth.security_events import Origin, SecurityEvent, first_id
from subgraphs.auth.security_log import SecurityLog
from subgraphs.auth.service import AuthService
from subgraphs.auth.sessions import SessionService
from subgraphs.auth.throttle import LocalBudgets
from subgraphs.auth.tokens import HmacRefreshTokens, JwtAccessTokens

MODERATION = frozenset({"tweets:moderate"})
SCOPES = frozenset({"account:read", "account:write", "tweets:read", "tweets:write"})
KEYS = KeyRing.of(SigningKey.generate())
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass
class FakeClock:
    """A clock that stands still until a test advances it."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class _Tables:
    users: dict[UUID, User] = field(default_factory=dict)
    email_settings: dict[UUID, EmailSettings] = field(default_factory=dict)
    deleted: dict[UUID, DeletedUser] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    tokens: dict[bytes, RefreshToken] = field(default_factory=dict)
    ended: dict[UUID, datetime] = field(default_factory=dict)
    mails: dict[UUID, AccountMail] = field(default_factory=dict)
    security_events: list[SecurityEvent] = field(default_factory=list)
    breaches: set[tuple[UUID, datetime | None]] = field(default_factory=set)
    """The passwords, by account and change, whose leak was reported."""
    events: list[Event] = field(default_factory=list)


@dataclass
class FakeUserRepository:
    _tables: _Tables

    async def add(self, user: User, email_settings: EmailSettings) -> None:
        for other in self._tables.users.values():
            if other.username.lower() == user.username.lower():
                raise UsernameTaken
            if other.email.lower() == user.email.lower():
                raise EmailTaken
        self._tables.users[user.id] = user
        self._tables.email_settings[user.id] = email_settings

    async def by_ids(self, ids: Collection[UUID]) -> Sequence[User]:
        return [user for user in self._tables.users.values() if user.id in set(ids)]

    async def account(self, user_id: UUID) -> Account | None:
        user = self._tables.users.get(user_id)
        return Account(user, self._tables.email_settings[user_id]) if user else None

    async def by_login(self, login: Login) -> User | None:
        for user in self._tables.users.values():
            stored = user.email if login.is_email else user.username
            if stored.lower() == login.text.lower():
                return user
        return None

    async def change_password_hash(self, user_id: UUID, *, old: str, new: str) -> None:
        user = self._tables.users.get(user_id)
        if user and user.password_hash == old:
            self._tables.users[user_id] = replace(user, password_hash=new)

    async def lock(self, user_id: UUID) -> User | None:
        return self._tables.users.get(user_id)

    async def change_password(self, user_id: UUID, password_hash: str, now: datetime) -> datetime:
        user = self._tables.users[user_id]
        changed_at = _after(user.password_changed_at, now)
        self._tables.users[user_id] = replace(
            user, password_hash=password_hash, password_changed_at=changed_at
        )
        return changed_at

    async def change_roles(self, user_id: UUID, roles: Collection[str]) -> None:
        user = self._tables.users[user_id]
        self._tables.users[user_id] = replace(user, roles=frozenset(roles))

    async def report_breach(self, user: User, now: datetime) -> bool:
        known = self._tables.users.get(user.id)
        password = user.id, user.password_changed_at
        if (
            known is None
            or known.password_changed_at != user.password_changed_at
            or password in self._tables.breaches
        ):
            return False
        self._tables.breaches.add(password)
        return True

    async def verify_email(self, user: User, email: str, now: datetime) -> User:
        other = await self.by_login(Login(email))
        if other and other.id != user.id:
            raise EmailTaken
        verified = replace(
            self._tables.users[user.id],
            email=email,
            email_verified_at=_after(user.email_verified_at, now),
        )
        self._tables.users[user.id] = verified
        return verified

    async def set_disabled(self, user_id: UUID, at: datetime | None) -> None:
        self._tables.users[user_id] = replace(self._tables.users[user_id], disabled_at=at)

    async def deleted_at(self, user_id: UUID) -> datetime | None:
        deleted = self._tables.deleted.get(user_id)
        return deleted.deleted_at if deleted else None

    async def change_email_settings(self, user_id: UUID, settings: EmailSettings) -> None:
        known = self._tables.email_settings.get(user_id)
        if known and (
            not (known.changed_at and settings.changed_at)
            or known.changed_at <= settings.changed_at
        ):
            self._tables.email_settings[user_id] = settings

    async def known_after(self, user_id: UUID, limit: int) -> Sequence[Account | DeletedUser]:
        known: dict[UUID, Account | DeletedUser] = {**self._tables.deleted}
        for user in self._tables.users.values():
            known[user.id] = Account(user, self._tables.email_settings[user.id])
        return [known[each] for each in sorted(known) if each > user_id][:limit]

    async def remove(self, user_id: UUID, now: datetime) -> None:
        if self._tables.users.pop(user_id, None):
            self._tables.email_settings.pop(user_id)
            self._tables.deleted[user_id] = DeletedUser(user_id, now)
        for mail in [m for m in self._tables.mails.values() if m.user_id == user_id]:
            del self._tables.mails[mail.id]
        for session in [s for s in self._tables.sessions.values() if s.user_id == user_id]:
            _forget(self._tables, session.id)


@dataclass
class FakeSessionRepository:
    _tables: _Tables

    async def open(self, session: Session, user: User, token_hash: bytes) -> bool:
        known = self._tables.users.get(user.id)
        if known is None or known.disabled_at:
            return False
        if (known.password_changed_at, known.roles) != (user.password_changed_at, user.roles):
            return False
        self._tables.sessions[session.id] = session
        self._tables.tokens[token_hash] = RefreshToken(session.id, used_at=None)
        return True

    async def live(self, session_ids: Collection[UUID], now: datetime) -> Collection[UUID]:
        found = map(self._tables.sessions.get, session_ids)
        return [session.id for session in found if session and session.expires_at > now]

    async def of_user(self, user_id: UUID, now: datetime) -> Sequence[Session]:
        mine = [
            s for s in self._tables.sessions.values() if s.user_id == user_id and s.expires_at > now
        ]
        return sorted(mine, key=lambda s: (s.last_used_at, s.id), reverse=True)

    async def lock_by_refresh_token(self, token_hash: bytes) -> Session | None:
        token = self._tables.tokens.get(token_hash)
        return self._tables.sessions.get(token.session_id) if token else None

    async def prolong(self, session: Session) -> None:
        known = self._tables.sessions[session.id]
        self._tables.sessions[session.id] = replace(
            known,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
            all_scopes=session.all_scopes,
        )

    async def end(
        self,
        user_id: UUID,
        now: datetime,
        *,
        only: UUID | None = None,
        keep: UUID | None = None,
    ) -> Sequence[UUID]:
        ended = [
            s.id
            for s in self._tables.sessions.values()
            if s.user_id == user_id and only in {None, s.id} and s.id != keep
        ]
        for session_id in ended:
            _forget(self._tables, session_id)
            self._tables.ended[session_id] = now
        return ended

    async def ended_since(self, moment: datetime) -> Sequence[UUID]:
        return [session_id for session_id, at in self._tables.ended.items() if at >= moment]


@dataclass
class FakeRefreshTokenRepository:
    _tables: _Tables

    async def add(self, token_hash: bytes, session_id: UUID, now: datetime) -> None:
        self._tables.tokens[token_hash] = RefreshToken(session_id, used_at=None)

    async def get(self, token_hash: bytes) -> RefreshToken | None:
        return self._tables.tokens.get(token_hash)

    async def use(self, token_hash: bytes, now: datetime) -> None:
        token = self._tables.tokens[token_hash]
        self._tables.tokens[token_hash] = replace(token, used_at=now)


@dataclass
class FakeAccountMailRepository:
    _tables: _Tables

    async def add(self, mail: AccountMail) -> None:
        self._tables.mails[mail.id] = mail

    async def lock(self, mail_id: UUID) -> AccountMail | None:
        return self._tables.mails.get(mail_id)

    async def send(self, mail: AccountMail) -> None:
        known = self._tables.mails[mail.id]
        self._tables.mails[mail.id] = replace(
            known,
            kind=mail.kind,
            address=mail.address,
            user_id=mail.user_id,
            expires_at=mail.expires_at,
        )

    async def by_hash(self, hash: bytes) -> AccountMail | None:
        return next((m for m in self._tables.mails.values() if m.hash == hash), None)

    async def of_user(self, user_id: UUID, kinds: Collection[MailKind]) -> Sequence[AccountMail]:
        mails = self._tables.mails.values()
        return [m for m in mails if m.user_id == user_id and m.kind in kinds]

    async def count_attempt(self, mail_ids: Collection[UUID]) -> None:
        for mail_id in mail_ids:
            mail = self._tables.mails[mail_id]
            self._tables.mails[mail_id] = replace(mail, attempts=mail.attempts + 1)

    async def remove(
        self, user_id: UUID, kinds: Collection[MailKind], *, since: datetime | None = None
    ) -> None:
        for mail in await self.of_user(user_id, kinds):
            if since is None or mail.created_at >= since:
                del self._tables.mails[mail.id]

    async def is_reserved(self, address: str, user_id: UUID, now: datetime) -> bool:
        return any(
            m.kind is MailKind.EMAIL_CHANGED
            and m.address.lower() == address.lower()
            and m.user_id != user_id
            and (m.expires_at is None or m.expires_at > now)
            for m in self._tables.mails.values()
        )


@dataclass
class FakeSecurityEventRepository:
    _tables: _Tables

    async def add(self, event: SecurityEvent) -> None:
        self._tables.security_events.append(event)

    async def add_refused(self, event: SecurityEvent, once_since: datetime | None) -> None:
        earlier = (e for e in self._tables.security_events if e.user_id == event.user_id)
        known = once_since and any(e.at >= once_since and e.kind is event.kind for e in earlier)
        if event.user_id in self._tables.users and not known:
            await self.add(event)

    async def of_user(self, user_id: UUID, page: PageRequest) -> Page[SecurityEvent]:
        mine = [e for e in self._tables.security_events if e.user_id == user_id]
        mine.sort(key=lambda event: event.id, reverse=True)
        found = [e for e in mine if page.after is None or e.id < page.after]
        return Page(
            found[: page.first],
            has_next=len(found) > page.first,
            has_previous=len(found) < len(mine),
        )


@dataclass
class FakeEventOutbox:
    _events: list[Event]

    async def add(self, event: Event) -> None:
        self._events.append(Event.from_json(event.to_json()))


def _after(earlier: datetime | None, now: datetime) -> datetime:
    return max(now, earlier + timedelta(microseconds=1)) if earlier else now


def _forget(tables: _Tables, session_id: UUID) -> None:
    del tables.sessions[session_id]
    for token_hash in [h for h, t in tables.tokens.items() if t.session_id == session_id]:
        del tables.tokens[token_hash]


class FakeRepositories:
    def __init__(self, tables: _Tables) -> None:
        self.users = FakeUserRepository(tables)
        self.sessions = FakeSessionRepository(tables)
        self.refresh_tokens = FakeRefreshTokenRepository(tables)
        self.account_mails = FakeAccountMailRepository(tables)
        self.security_events = FakeSecurityEventRepository(tables)
        self.events = FakeEventOutbox(tables.events)


class _SingleUse:
    """Repositories that can be accessed once."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories: Repositories | None = repositories

    def __getattr__(self, name: str) -> Any:
        repositories, self._repositories = self._repositories, None
        if repositories is None:
            raise RuntimeError("a second statement")
        return getattr(repositories, name)


class FakeUnitOfWork:
    """Runs one unit of work after another, on tables that roll back."""

    def __init__(self) -> None:
        self._tables = _Tables()

    async def transaction(self, work: Work[T]) -> T:
        tables = deepcopy(self._tables)
        result = await work(FakeRepositories(tables))
        self._tables = tables
        return result

    async def statement(self, work: Work[T]) -> T:
        return await self.transaction(lambda repositories: work(_SingleUse(repositories)))

    async def read(self, work: Work[T]) -> T:
        return await work(FakeRepositories(self._tables))

    async def events(self) -> list[Event]:
        return self._tables.events


@dataclass
class FakePasswordHasher:
    """A hash is the name of the parameters and the password itself."""

    parameters: str = "fake"
    hashed: list[str] = field(default_factory=list)
    verified: list[str | None] = field(default_factory=list)
    before_verify: Callable[[], Awaitable[None]] | None = None

    async def hash(self, password: str) -> str:
        self.hashed.append(password)
        return f"{self.parameters}:{password}"

    async def verify(self, password_hash: str | None, password: str) -> bool:
        if self.before_verify:
            await self.before_verify()
        self.verified.append(password_hash)
        return password_hash is not None and password_hash.partition(":")[2] == password

    def outdated(self, password_hash: str) -> bool:
        return not password_hash.startswith(f"{self.parameters}:")


@dataclass
class FakeRevocationAnnouncer:
    announced: list[UUID] = field(default_factory=list)

    async def announce(self, session_ids: Sequence[UUID]) -> None:
        self.announced.extend(session_ids)


class FakeThrottle:
    """Limits attempts by the fake clock; `taken` are the budgets of those that were counted."""

    def __init__(self, clock: FakeClock) -> None:
        self._budgets = LocalBudgets(
            100_000, now=lambda: (clock.now - _EPOCH) // timedelta(microseconds=1)
        )
        self.taken: list[Budget] = []

    async def take(self, *budgets: Budget) -> None:
        named = {repr((b, b.key)): b for b in budgets}
        waits = self._budgets.take(named)
        if any(waits):
            refused = [b.kind for b, wait in zip(named.values(), waits, strict=True) if wait]
            raise TooManyAttempts(timedelta(microseconds=max(waits)), refused)
        self.taken += budgets


@dataclass
class FakeAuth:
    """A service on fakes, and the fakes; `events` returns the events that it published."""

    unit_of_work: UnitOfWork
    events: Callable[[], Awaitable[list[Event]]]
    clock: FakeClock = field(default_factory=FakeClock)
    passwords: FakePasswordHasher = field(default_factory=FakePasswordHasher)
    revocations: FakeRevocationAnnouncer = field(default_factory=FakeRevocationAnnouncer)
    access_tokens: JwtAccessTokens = field(
        default_factory=lambda: JwtAccessTokens(
            KEYS, issuer="https://chirp.example", audience="chirp", lifetime=timedelta(minutes=15)
        )
    )
    leaked: set[str] = field(default_factory=set)
    """Passwords that have leaked."""
    origin: Origin = field(default_factory=lambda: Origin(Device("Laptop", "192.0.2.1")))
    """Who causes the events that are recorded."""
    throttle: FakeThrottle = field(init=False)
    security_log: SecurityLog = field(init=False)
    _event_ids: int = 0
    credentials: Credentials = field(init=False)
    mails: AccountMails = field(init=False)
    service: AuthService = field(init=False)
    sessions: SessionService = field(init=False)
    recovery: RecoveryService = field(init=False)
    operators: OperatorService = field(init=False)

    @classmethod
    def in_memory(cls) -> "FakeAuth":
        unit_of_work = FakeUnitOfWork()
        return cls(unit_of_work, unit_of_work.events)

    def __post_init__(self) -> None:
        self.throttle = FakeThrottle(self.clock)
        self.security_log = SecurityLog(
            self.unit_of_work, lambda: self.origin, now=self.clock, new_id=self._event_id
        )
        self.credentials = Credentials(
            unit_of_work=self.unit_of_work,
            passwords=self.passwords,
            normalize_email=normalize_email,
            is_common_password=lambda p: is_common(p) or p in self.leaked,
            devices=HmacDeviceTokens("a secret of thirty-two characters"),
            throttle=self.throttle,
            limits=Limits(),
            security_log=self.security_log,
        )
        self.mails = AccountMails(
            self.unit_of_work, HmacCodes("s" * 32), now=self.clock, new_id=uuid7
        )
        self.service = self.declaring(SCOPES)
        self.sessions = SessionService(
            credentials=self.credentials,
            access_tokens=self.access_tokens,
            refresh_tokens=self.service.refresh_tokens,
            revocations=self.revocations,
            security_log=self.security_log,
            policy=self.service.policy,
            now=self.clock,
            new_id=uuid4,
        )
        self.recovery = RecoveryService(
            credentials=self.credentials,
            mails=self.mails,
            revocations=self.revocations,
            throttle=self.throttle,
            limits=Limits(),
            security_log=self.security_log,
            now=self.clock,
        )
        self.operators = OperatorService(
            credentials=self.credentials,
            mails=self.mails,
            revocations=self.revocations,
            security_log=self.security_log,
            policy=self.service.policy,
            now=self.clock,
        )

    def _event_id(self) -> UUID:
        """Return a UUIDv7 of the fake time, and greater than the one before."""
        self._event_ids += 1
        return UUID(int=first_id(self.clock.now).int + self._event_ids)

    def declaring(self, scopes: frozenset[str], **policy: Any) -> AuthService:
        """Return the service on the same data, in a release that declares these scopes."""
        return self.under(Policy({"user": scopes, "moderator": MODERATION}, **policy))

    def under(self, policy: Policy) -> AuthService:
        """Return the service on the same data, under this policy."""
        return AuthService(
            unit_of_work=self.unit_of_work,
            credentials=self.credentials,
            mails=self.mails,
            access_tokens=self.access_tokens,
            refresh_tokens=HmacRefreshTokens("a secret of thirty-two characters"),
            revocations=self.revocations,
            throttle=self.throttle,
            limits=Limits(),
            security_log=self.security_log,
            policy=policy,
            now=self.clock,
            new_user_id=naming("User", uuid7),
            new_session_id=uuid4,
        )
