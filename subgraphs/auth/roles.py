"""Roles of accounts, which an operator assigns: the scopes beyond those of every account."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from subgraphs.auth.credentials import Credentials
from subgraphs.auth.domain import MailKind, User
from subgraphs.auth.errors import AccountNotFound, UnknownRole
from subgraphs.auth.mails import AccountMails
from subgraphs.auth.policy import USER, Policy
from subgraphs.auth.ports import Repositories, RevocationAnnouncer
from subgraphs.auth.service import end_sessions


@dataclass(frozen=True, slots=True)
class Assigned:
    """The outcome of a change of roles."""

    user: User
    """The account with its roles from now on."""
    changed: bool
    """False if it had these roles already: then no session ends and nothing is mailed."""
    ended: Sequence[UUID] = ()
    """The ids of the sessions that ended."""
    mailed: bool = False
    """False for an address that is not proven: it gets no mail."""


@dataclass(frozen=True, slots=True)
class RoleService:
    credentials: Credentials
    mails: AccountMails
    revocations: RevocationAnnouncer
    policy: Policy
    now: Callable[[], datetime]

    async def assign(self, account: str, named: Collection[str]) -> Assigned:
        """Give an account these roles, and no others besides `user`; mail its owner.

        `account` is a username, an address or an id. Returns when no process accepts a token of
        the account's former sessions any more: tokens hold the scopes of their time, and the end of
        a session is what reaches every process exactly (docs/adr/0025). Raises UnknownRole or
        AccountNotFound.
        """
        roles = checked_roles(named, self.policy)
        found = await self._found(account)
        now = self.now()

        async def work(repositories: Repositories) -> Assigned:
            user = await repositories.users.lock(found.id)
            if user is None:
                raise AccountNotFound
            if user.roles == roles:
                return Assigned(user, changed=False)
            await repositories.users.change_roles(user.id, roles)
            mailed = user.email_verified
            if mailed:
                await self.mails.request(repositories, MailKind.ROLES_CHANGED, user.email, user.id)
            ended = await end_sessions(repositories, user.id, now)
            return Assigned(replace(user, roles=roles), changed=True, ended=ended, mailed=mailed)

        assigned = await self.credentials.unit_of_work.transaction(work)
        await self.revocations.announce(assigned.ended)
        return assigned

    async def _found(self, account: str) -> User:
        try:
            user_id = UUID(account)  # no username is as long
        except ValueError:
            user = await self.credentials.by_login(account)
        else:
            users = await self.credentials.unit_of_work.read(lambda r: r.users.by_ids([user_id]))
            user = users[0] if users else None
        if user is None:
            raise AccountNotFound
        return user


def checked_roles(named: Collection[str], policy: Policy) -> frozenset[str]:
    """Return the roles that are stored for an account that is to have those `named`.

    Every account has `user`, so it may be named and is not stored. Raises UnknownRole.
    """
    if unknown := sorted({*named} - policy.roles.keys()):
        raise UnknownRole(unknown[0], sorted(policy.roles))
    return frozenset(named) - {USER}
