"""The command that assigns roles to an account: `python -m subgraphs.auth accounts roles …`."""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from chassis.cli import AddCommand
from chassis.logging import configure_logging
from subgraphs.auth.errors import AccountNotFound, UnknownRole
from subgraphs.auth.policy import USER
from subgraphs.auth.roles import Assigned, RoleService
from subgraphs.auth.settings import Settings

_UNKNOWN_ROLE = 2
_NOT_FOUND = 3
"""The exit status if no account has the login."""

Open = Callable[[Settings], AbstractAsyncContextManager[RoleService]]
"""Opens the use case beside a running system."""


def add_roles(add: AddCommand, opened: Open) -> None:
    """Add the command to a command line. `add` is `add_parser` of argparse."""
    text = "give an account these roles and no others, and end its sessions"
    parser = add(
        "roles",
        help=text,
        description=f"{text}. Exit status: 0 done, also if it has them already, 1 an outage, "
        f"{_UNKNOWN_ROLE} no such role, {_NOT_FOUND} no such account.",
    )
    parser.add_argument("login", help="the username, the address or the id")
    parser.add_argument("roles", nargs="+", metavar="role", help=f"`{USER}` for no further role")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=lambda arguments: _run(arguments, opened))


def _run(arguments: argparse.Namespace, opened: Open) -> None:
    settings = Settings.from_env()
    # Standard output has the result only.
    configure_logging("auth", settings.stage, sys.stderr)

    async def assign() -> Assigned:
        async with opened(settings) as roles:
            return await roles.assign(arguments.login, arguments.roles)

    try:
        assigned = asyncio.run(assign())
    except AccountNotFound:
        print("auth: no account has this username, address or id", file=sys.stderr)
        sys.exit(_NOT_FOUND)
    except UnknownRole as error:
        print(f"auth: {error}", file=sys.stderr)
        sys.exit(_UNKNOWN_ROLE)
    print(json.dumps(_json(assigned), indent=2) if arguments.json else _text(assigned))


def _json(assigned: Assigned) -> dict[str, object]:
    return {
        "action": "roles",
        "userId": str(assigned.user.id),
        "username": assigned.user.username,
        "roles": _roles(assigned),
        "changed": assigned.changed,
        "endedSessions": [str(session_id) for session_id in assigned.ended],
        "mailed": assigned.mailed,
    }


def _text(assigned: Assigned) -> str:
    account = f"{assigned.user.username} ({assigned.user.id})"
    roles = ", ".join(_roles(assigned))
    if not assigned.changed:
        return f"{account} has the roles {roles} already: nothing to do."
    mail = (
        "A mail to its address is on its way." if assigned.mailed else "No mail: no proven address."
    )
    ended = len(assigned.ended)
    return f"{account} has the roles {roles} from now on. Sessions ended: {ended}. {mail}"


def _roles(assigned: Assigned) -> list[str]:
    return sorted({USER, *assigned.user.roles})
