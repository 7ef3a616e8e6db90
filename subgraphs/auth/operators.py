"""The use cases of operators: what those who run the system may do to an account."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.paging import PageRequest
from subgraphs.auth.credentials import Credentials
from subgraphs.auth.domain import MailKind, Session, User
from subgraphs.auth.errors import AccountNotFound
from subgraphs.auth.events import user_export_requested
from subgraphs.auth.mails import AccountMails
from subgraphs.auth.policy import Policy
from subgraphs.auth.ports import Repositories, RevocationAnnouncer
from subgraphs.auth.recovery import PENDING
from subgraphs.auth.security_events import SecurityEvent, SecurityEventKind
from subgraphs.auth.security_log import SecurityLog
from subgraphs.auth.service import end_sessions, remove_user

_SHOWN_EVENTS = PageRequest(20)


@dataclass(frozen=True, slots=True)
class Shown:
    """An account, its live sessions and its newest security events."""

    user_id: UUID
    user: User | None
    """None for a deleted account, of which `deleted_at` and the events remain."""
    deleted_at: datetime | None
    sessions: Sequence[Session]
    events: Sequence[SecurityEvent]


@dataclass(frozen=True, slots=True)
class Acted:
    """What was done to an account."""

    user: User
    """The account as it was before."""
    changed: bool
    """False if there was nothing to do: then nothing is recorded or mailed."""
    ended: Sequence[UUID] = ()
    """The ids of the sessions that ended."""
    mailed: bool = False
    """False for an address that is not verified: it gets no mail."""


_Change = Callable[[Repositories, User, datetime], Awaitable[Sequence[UUID] | None]]
"""Changes a locked account. Returns the sessions that it ended, or None if nothing is to do."""


@dataclass(frozen=True, slots=True)
class OperatorService:
    """`account` is a username, an address or an id. Every method raises AccountNotFound.

    A method that ends sessions returns when no process accepts their tokens any more. `reason` is
    recorded with the event, for other operators.
    """

    credentials: Credentials
    mails: AccountMails
    revocations: RevocationAnnouncer
    security_log: SecurityLog
    policy: Policy
    now: Callable[[], datetime]

    async def show(self, account: str, reason: str | None = None) -> Shown:
        """Return an account. A deleted one is found by its id."""
        user = await self._found(account)
        user_id = user.id if user else _id(account)
        if user_id is None:
            raise AccountNotFound

        async def work(repositories: Repositories) -> Shown:
            deleted_at = None if user else await repositories.users.deleted_at(user_id)
            if user is None and deleted_at is None:
                raise AccountNotFound
            events = await repositories.security_events.of_user(user_id, _SHOWN_EVENTS)
            sessions = await repositories.sessions.of_user(user_id, self.now())
            kind = SecurityEventKind.ACCOUNT_VIEWED
            await self.security_log.add(repositories, kind, user_id, reason=reason)
            return Shown(user_id, user, deleted_at, sessions, events.items)

        return await self.credentials.unit_of_work.transaction(work)

    async def find(self, account: str) -> User:
        """Return an account that exists."""
        user = await self._found(account)
        if user is None:
            raise AccountNotFound
        return user

    async def request_export(self, user_id: UUID, export_id: UUID, reason: str | None) -> None:
        """Record an export, and ask the other services for the data of the user.

        The event names no user: the request, which is open already, does.
        """
        event = user_export_requested(export_id, self.now())

        async def work(repositories: Repositories) -> None:
            kind = SecurityEventKind.ACCOUNT_EXPORTED
            await self.security_log.add(repositories, kind, user_id, reason=reason)
            await repositories.events.add(event)

        await self.credentials.unit_of_work.transaction(work)

    async def disable(self, account: str, reason: str | None = None) -> Acted:
        """Refuse every sign-in and every code until the account is enabled; end its sessions.

        To others it looks as if the password were wrong.
        """
        return await self._act(
            account, SecurityEventKind.ACCOUNT_DISABLED, MailKind.ACCOUNT_DISABLED, _disable, reason
        )

    async def enable(self, account: str, reason: str | None = None) -> Acted:
        """Take back that the account is disabled."""
        return await self._act(
            account, SecurityEventKind.ACCOUNT_ENABLED, MailKind.ACCOUNT_ENABLED, _enable, reason
        )

    async def end_sessions(self, account: str, reason: str | None = None) -> Acted:
        """End all sessions of the account."""
        return await self._act(
            account, SecurityEventKind.SESSIONS_ENDED, MailKind.SESSIONS_ENDED, _end, reason
        )

    async def require_reset(self, account: str, reason: str | None = None) -> Acted:
        """Remove the password, and end all sessions. The owner resets it by a mailed code."""
        return await self._act(
            account, SecurityEventKind.RESET_REQUIRED, MailKind.RESET_REQUIRED, _reset, reason
        )

    async def assign_roles(
        self, account: str, named: Collection[str], reason: str | None = None
    ) -> Acted:
        """Give an account these roles, and no others besides `user`; end all its sessions.

        Tokens hold the scopes of their time, and the end of a session is what reaches every process
        exactly (docs/adr/0025). Raises UnknownRole too.
        """
        roles = self.policy.assigned(named)

        async def change(
            repositories: Repositories, user: User, now: datetime
        ) -> Sequence[UUID] | None:
            if user.roles == roles:
                return None
            await repositories.users.change_roles(user.id, roles)
            return await end_sessions(repositories, user.id, now)

        return await self._act(
            account, SecurityEventKind.ROLES_CHANGED, MailKind.ROLES_CHANGED, change, reason
        )

    async def delete(self, account: str, reason: str | None = None) -> Acted:
        """Remove the account and end its sessions, as its owner could."""
        return await self._act(
            account, SecurityEventKind.ACCOUNT_DELETED, MailKind.ACCOUNT_DELETED, _delete, reason
        )

    async def _act(
        self,
        account: str,
        kind: SecurityEventKind,
        mail: MailKind,
        change: _Change,
        reason: str | None,
    ) -> Acted:
        user_id, now = (await self.find(account)).id, self.now()

        async def work(repositories: Repositories) -> Acted:
            user = await repositories.users.lock(user_id)
            if user is None:
                raise AccountNotFound
            ended = await change(repositories, user, now)
            if ended is None:
                return Acted(user, changed=False)
            await self.security_log.add(repositories, kind, user_id, reason=reason)
            mailed = await self.mails.notify(repositories, mail, user)
            return Acted(user, changed=True, ended=ended, mailed=mailed)

        acted = await self.credentials.unit_of_work.transaction(work)
        await self.revocations.announce(acted.ended)
        return acted

    async def _found(self, account: str) -> User | None:
        user_id = _id(account)
        if user_id is None:
            return await self.credentials.by_login(account)
        users = await self.credentials.unit_of_work.read(lambda r: r.users.by_ids([user_id]))
        return users[0] if users else None


async def _disable(repositories: Repositories, user: User, now: datetime) -> Sequence[UUID] | None:
    # Also of a disabled account: a process of an earlier release may have opened a session.
    ended = await end_sessions(repositories, user.id, now)
    if user.disabled_at:
        return ended or None
    await repositories.users.set_disabled(user.id, now)
    return ended


async def _enable(repositories: Repositories, user: User, _: datetime) -> Sequence[UUID] | None:
    if user.disabled_at is None:
        return None
    await repositories.users.set_disabled(user.id, None)
    return []


async def _end(repositories: Repositories, user: User, now: datetime) -> Sequence[UUID] | None:
    return await end_sessions(repositories, user.id, now) or None


async def _reset(repositories: Repositories, user: User, now: datetime) -> Sequence[UUID] | None:
    ended = await end_sessions(repositories, user.id, now)
    if not user.password_hash and not ended:
        return None
    await repositories.users.change_password(user.id, "", now)
    await repositories.account_mails.remove(user.id, PENDING)
    return ended


async def _delete(repositories: Repositories, user: User, now: datetime) -> Sequence[UUID]:
    return await remove_user(repositories, user.id, now)


def _id(account: str) -> UUID | None:
    """Return the id that an operator typed. No username is as long as one."""
    try:
        return UUID(account)
    except ValueError:
        return None
