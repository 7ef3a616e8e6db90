"""Roles of accounts, which an operator assigns: the scopes beyond those of every account."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from subgraphs.auth.domain import User
from subgraphs.auth.errors import UnknownRole
from subgraphs.auth.policy import USER, Policy
from subgraphs.auth.ports import Repositories
from subgraphs.auth.service import end_sessions


def checked_roles(named: Collection[str], policy: Policy) -> frozenset[str]:
    """Return the roles that are stored for an account that is to have those `named`.

    Every account has `user`, so it may be named and is not stored. Raises UnknownRole.
    """
    if unknown := sorted({*named} - policy.roles.keys()):
        raise UnknownRole(unknown[0], sorted(policy.roles))
    return frozenset(named) - {USER}


async def change_roles(
    repositories: Repositories, user: User, roles: frozenset[str], now: datetime
) -> Sequence[UUID] | None:
    """Replace the roles of a locked user, and end the user's sessions.

    A token holds the scopes of its time, and the end of a session is what reaches every process
    exactly (docs/adr/0025). Returns the ids of those ended, which the caller announces, or None if
    the user has these roles already.
    """
    if user.roles == roles:
        return None
    await repositories.users.change_roles(user.id, roles)
    return await end_sessions(repositories, user.id, now)
