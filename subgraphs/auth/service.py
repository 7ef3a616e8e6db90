"""The use cases of accounts and sessions."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from chassis.events import Event
from chassis.paging import Page, PageRequest
from subgraphs.auth.credentials import Credentials, lock_authenticated
from subgraphs.auth.domain import (
    Account,
    DeletedUser,
    Device,
    EmailSettings,
    MailKind,
    Session,
    SignedIn,
    User,
    checked_scopes,
)
from subgraphs.auth.errors import (
    EmailTaken,
    InvalidCredentials,
    InvalidInput,
    InvalidRefreshToken,
    Problem,
    TooManyAttempts,
)
from subgraphs.auth.events import session_revoked, user_deleted, user_registered
from subgraphs.auth.limits import UNKNOWN_NETWORK, Budget, Limits, network_of
from subgraphs.auth.logins import Login, Password, folded, username_problems
from subgraphs.auth.mails import AccountMails
from subgraphs.auth.policy import Policy
from subgraphs.auth.ports import (
    AccessTokenIssuer,
    RefreshTokenMint,
    Repositories,
    RevocationAnnouncer,
    Throttle,
    UnitOfWork,
)
from subgraphs.auth.security_events import SecurityEvent, SecurityEventKind
from subgraphs.auth.security_log import SecurityLog

NO_EMAIL = EmailSettings()


@dataclass(frozen=True, slots=True)
class _Theft:
    """A used refresh token was sent again, so its session was ended."""

    session_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class AuthService:
    """Every use case of the auth service; each makes its change in one unit of work."""

    unit_of_work: UnitOfWork
    credentials: Credentials
    mails: AccountMails
    access_tokens: AccessTokenIssuer
    refresh_tokens: RefreshTokenMint
    revocations: RevocationAnnouncer
    throttle: Throttle
    limits: Limits
    security_log: SecurityLog
    policy: Policy
    now: Callable[[], datetime]
    new_user_id: Callable[[], UUID]
    new_session_id: Callable[[], UUID]

    async def sign_up(
        self,
        *,
        username: str,
        email: str,
        password: str,
        device: Device,
        email_settings: EmailSettings = NO_EMAIL,
    ) -> SignedIn:
        """Create an account, sign it in, and mail a code that verifies its address.

        White space around the username and the address is removed: keyboards and clipboards add
        it. After too many sign-ups with one address, whose accounts were deleted each time, no
        mail is sent; the user may request one. Raises InvalidInput, UsernameTaken, EmailTaken or
        TooManyAttempts.
        """
        username = username.strip()
        chosen = Password.parse(password)
        email = self._checked_email(username, email, chosen)
        network, limits = network_of(device.address), self.limits
        await self.throttle.take(
            Budget(f"sign-up.network:{network}", limits.sign_ups_per_network, limits.period)
        )
        user = User(
            id=self.new_user_id(),
            username=username,
            email=email,
            password_hash=await self.credentials.passwords.hash(chosen.text),
            created_at=self.now(),
        )
        session = self._new_session(user, None, device)
        refresh_token = self.refresh_tokens.first()
        mails_code = await self._may_mail(email)

        async def work(repositories: Repositories) -> None:
            await repositories.users.add(user, email_settings)
            if await repositories.account_mails.is_reserved(email, user.id, user.created_at):
                raise EmailTaken
            await repositories.events.add(user_registered(user, email_settings))
            if mails_code:
                await self.mails.request(repositories, MailKind.VERIFY_EMAIL, email, user.id)
            await self._open(
                repositories, session, user, refresh_token, SecurityEventKind.SIGNED_UP
            )

        await self.unit_of_work.transaction(work)
        return self._signed_in(user, session, refresh_token)

    async def sign_in(
        self,
        *,
        login: str,
        password: str,
        scopes: list[str] | None,
        device: Device,
        device_token: str | None = None,
    ) -> SignedIn:
        """Open a session for `scopes`; None means all, including scopes that later releases add.

        White space around the login is removed; around the password it counts. A scope that none
        of the user's roles has is left out of the session. `device_token` is that of an earlier
        SignedIn; without it the device is new, which is mailed to a verified address. A password
        that has leaked, or is common, signs in; that is mailed, once for each password. Raises
        InvalidCredentials, InvalidInput or TooManyAttempts.
        """
        granted = checked_scopes(scopes, self.policy.scopes)
        user, is_known = await self.credentials.sign_in(
            login, password, network=network_of(device.address), device_token=device_token
        )
        session = self._new_session(user, granted, device)
        refresh_token = self.refresh_tokens.first()
        kinds = SecurityEventKind
        kind = kinds.SIGNED_IN if is_known else kinds.SIGNED_IN_ON_NEW_DEVICE

        is_breached = self.credentials.is_common_password(Password.parse(password).text)
        is_reported = self.policy.new_device_mails and user.email_verified and not is_known

        async def work(repositories: Repositories) -> None:
            await self._open(repositories, session, user, refresh_token, kind)
            if is_reported:
                await self.mails.request(
                    repositories,
                    MailKind.NEW_SIGN_IN,
                    user.email,
                    user.id,
                    user_agent=device.user_agent,
                )
            if (
                is_breached
                and user.email_verified
                and await repositories.users.report_breach(user, self.now())
            ):
                await self.security_log.add(repositories, kinds.PASSWORD_BREACHED, user.id)
                await self.mails.request(
                    repositories, MailKind.PASSWORD_BREACHED, user.email, user.id
                )

        await self.unit_of_work.transaction(work)
        signed_in = self._signed_in(user, session, refresh_token)
        return replace(signed_in, password_breached=is_breached)

    async def refresh_session(self, refresh_token: str, network: str = UNKNOWN_NETWORK) -> SignedIn:
        """Exchange a refresh token for the next one and a new access token.

        The access token has the current scopes of the session. The same exchange may be repeated
        within `refresh_retry_window`, until the new token is used: a lost response signs no user
        out. A token that is sent again later was stolen, so its session ends. `network` is the
        client's; only attempts that fail are counted, so that others in a network lock no session
        out. Raises InvalidRefreshToken or TooManyAttempts.
        """
        token_hash = self.refresh_tokens.hash(refresh_token)
        successor = self.refresh_tokens.successor(refresh_token)
        now = self.now()

        async def work(repositories: Repositories) -> tuple[User, Session] | _Theft | None:
            session = await repositories.sessions.lock_by_refresh_token(token_hash)
            token = await repositories.refresh_tokens.get(token_hash)
            if session is None or token is None:
                return None
            (user,) = await repositories.users.by_ids([session.user_id])
            if user.disabled_at or self.policy.current(session, user).expires_at <= now:
                return None
            if token.used_at is None:
                session = self.policy.refreshed(session, user, now)
                await self._rotate(repositories, session, token_hash, successor)
            elif not await self._repeats(repositories, token.used_at, successor, now):
                await self.security_log.add(
                    repositories,
                    SecurityEventKind.REFRESH_TOKEN_REUSED,
                    session.user_id,
                    session_id=session.id,
                )
                return _Theft(
                    await end_sessions(repositories, session.user_id, now, only=session.id)
                )
            return user, session

        outcome = await self.unit_of_work.transaction(work)
        if isinstance(outcome, _Theft):
            await self.revocations.announce(outcome.session_ids)
        if outcome is None or isinstance(outcome, _Theft):
            limits = self.limits
            await self.throttle.take(
                Budget(f"refresh.network:{network}", limits.refreshes_per_network, limits.period)
            )
            raise InvalidRefreshToken
        user, session = outcome
        return self._signed_in(user, session, successor)

    async def delete_account(self, user_id: UUID, password: str) -> None:
        """End all sessions and remove the account.

        Raises InvalidCredentials or TooManyAttempts.
        """
        user = await self.credentials.confirm(user_id, password)
        now = self.now()

        async def work(repositories: Repositories) -> Sequence[UUID]:
            await lock_authenticated(repositories, user)
            await self.security_log.add(repositories, SecurityEventKind.ACCOUNT_DELETED, user_id)
            return await remove_user(repositories, user_id, now)

        await self.revocations.announce(await self.unit_of_work.transaction(work))

    async def users(self, ids: Collection[UUID]) -> Mapping[UUID, User]:
        """Return those of the users that exist, by id."""
        users = await self.unit_of_work.read(lambda repositories: repositories.users.by_ids(ids))
        return {user.id: user for user in users}

    async def user_named(self, username: str, caller_id: UUID) -> User | None:
        """Return the user with this username, in whatever case, or None. Addresses find no user.

        White space around it is removed, as at sign-in. Raises TooManyAttempts: look-ups without a
        limit would list the users.
        """
        limits = self.limits
        await self.throttle.take(
            Budget(f"look-up.account:{caller_id}", limits.look_ups_per_account, limits.period)
        )
        login = Login.of_username(username)
        if login is None:
            return None
        return await self.unit_of_work.read(lambda repositories: repositories.users.by_login(login))

    async def sessions(self, user_id: UUID) -> Sequence[Session]:
        """Return the user's live sessions with their current scopes, the last used first."""
        now = self.now()

        async def work(repositories: Repositories) -> Sequence[Session]:
            users = await repositories.users.by_ids([user_id])
            stored = await repositories.sessions.of_user(user_id, now)
            return [self.policy.current(session, user) for user in users for session in stored]

        sessions = await self.unit_of_work.read(work)
        return [session for session in sessions if session.expires_at > now]

    async def security_events(self, user_id: UUID, page: PageRequest) -> Page[SecurityEvent]:
        """Return a page of what happened to the user's account, the newest first."""
        return await self.unit_of_work.read(
            lambda repositories: repositories.security_events.of_user(user_id, page)
        )

    async def change_email_settings(self, user_id: UUID, settings: EmailSettings) -> None:
        """Store what a user chose in the notifier.

        Does nothing if the user does not exist or later settings are stored.
        """
        await self.unit_of_work.statement(
            lambda repositories: repositories.users.change_email_settings(user_id, settings)
        )

    async def snapshot(self, after: UUID, limit: int) -> Sequence[tuple[UUID, Event]]:
        """Return events that recreate the users after `after`, each with the id of its user."""
        known = await self.unit_of_work.read(
            lambda repositories: repositories.users.known_after(after, limit)
        )
        return [_as_event(user) for user in known]

    def _checked_email(self, username: str, email: str, password: Password) -> str:
        """Return the address as it is stored. Raises InvalidInput with all problems at once."""
        problems = username_problems(username)
        try:
            email = self.credentials.normalize_email(email)
        except ValueError as error:
            problems.append(Problem("email", str(error)))
        problems += self.credentials.problems(password, username=username, email=email)
        if problems:
            raise InvalidInput(problems)
        return email

    async def _may_mail(self, email: str) -> bool:
        """Count a sign-up with an address. Return whether a code may be mailed there.

        The budget is separate from that of requests, which strangers could use up by sign-ups.
        """
        limits = self.limits
        key = f"sign-up.address:{folded(email)}"
        try:
            await self.throttle.take(Budget(key, limits.mails_per_address, limits.period))
        except TooManyAttempts:
            return False
        return True

    def _new_session(self, user: User, scopes: frozenset[str] | None, device: Device) -> Session:
        """Return a new session for these scopes, or for all of the user if `scopes` is None."""
        return self.policy.new_session(self.new_session_id(), user, scopes, device, self.now())

    async def _open(
        self,
        repositories: Repositories,
        session: Session,
        user: User,
        refresh_token: str,
        kind: SecurityEventKind,
    ) -> None:
        token_hash = self.refresh_tokens.hash(refresh_token)
        if not await repositories.sessions.open(session, user, token_hash):
            raise InvalidCredentials
        await self.security_log.add(repositories, kind, user.id, session_id=session.id)

    async def _rotate(
        self,
        repositories: Repositories,
        session: Session,
        token_hash: bytes,
        successor: str,
    ) -> None:
        now, successor_hash = session.last_used_at, self.refresh_tokens.hash(successor)
        await repositories.refresh_tokens.add(successor_hash, session.id, now)
        await repositories.refresh_tokens.use(token_hash, now)
        await repositories.sessions.prolong(session)

    async def _repeats(
        self, repositories: Repositories, used_at: datetime, successor: str, now: datetime
    ) -> bool:
        """Return whether this retries the last exchange: soon, and its successor is unused."""
        if now - used_at > self.policy.refresh_retry_window:
            return False
        following = await repositories.refresh_tokens.get(self.refresh_tokens.hash(successor))
        return following is not None and following.used_at is None

    def _signed_in(self, user: User, session: Session, refresh_token: str) -> SignedIn:
        session = self.policy.current(session, user)
        access_token = self.access_tokens.issue(user, session, self.now())
        # A device is known by a session that it opened, also after the session's end. So there are
        # no more devices, each with attempts of its own, than there were sign-ins.
        device_token = self.credentials.devices.issue(user, session.id)
        return SignedIn(user, session, access_token, refresh_token, device_token)


async def end_sessions(
    repositories: Repositories,
    user_id: UUID,
    now: datetime,
    *,
    only: UUID | None = None,
    keep: UUID | None = None,
) -> Sequence[UUID]:
    """End a user's sessions, `only` one or all but `keep`, in the caller's transaction.

    Returns the ids of those ended. The caller announces them after the commit.
    """
    ended = await repositories.sessions.end(user_id, now, only=only, keep=keep)
    if ended:
        await repositories.events.add(session_revoked(user_id, ended, now))
    return ended


async def remove_user(repositories: Repositories, user_id: UUID, now: datetime) -> Sequence[UUID]:
    """Remove an account and end its sessions, in the caller's transaction.

    Returns the ids of the sessions. The caller announces them after the commit.
    """
    ended = await end_sessions(repositories, user_id, now)
    await repositories.users.remove(user_id, now)
    await repositories.events.add(user_deleted(user_id, now))
    return ended


def _as_event(known: Account | DeletedUser) -> tuple[UUID, Event]:
    if isinstance(known, DeletedUser):
        return known.id, user_deleted(known.id, known.deleted_at)
    return known.user.id, user_registered(known.user, known.email_settings)
