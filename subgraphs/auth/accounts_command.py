"""The commands of operators: `python -m subgraphs.auth accounts …`."""

import argparse
import asyncio
import getpass
import json
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from chassis.cli import AddCommand
from chassis.logging import configure_logging
from chassis.ports import T
from subgraphs.auth.domain import Session
from subgraphs.auth.errors import AccountNotFound, UnknownRole
from subgraphs.auth.operators import Acted, OperatorService, Shown
from subgraphs.auth.policy import USER
from subgraphs.auth.security_events import SecurityEvent
from subgraphs.auth.settings import Settings

UNKNOWN_ROLE = 2
NOT_FOUND = 3
"""The exit status if no account has the login."""

Open = Callable[[Settings, str], AbstractAsyncContextManager[OperatorService]]
"""Opens the use cases, for an operator of this name."""

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001
"""The group of commands on accounts."""


@dataclass(frozen=True, slots=True)
class _Act:
    """A command that changes an account, and what it says."""

    name: str
    help: str
    run: Callable[[OperatorService, str, str | None], Awaitable[Acted]]
    done: str
    nothing: str = ""


_ACTS = (
    _Act(
        "disable",
        "refuse every sign-in and code until `enable`, and end all sessions",
        OperatorService.disable,
        "disabled",
        "disabled before",
    ),
    _Act(
        "enable",
        "take back `disable`",
        OperatorService.enable,
        "enabled",
        "not disabled",
    ),
    _Act(
        "end-sessions",
        "end all sessions and open subscriptions",
        OperatorService.end_sessions,
        "signed out everywhere",
        "without a session",
    ),
    _Act(
        "require-reset",
        "remove the password and end all sessions: the owner has to reset it by mail",
        OperatorService.require_reset,
        "without a password",
        "without a password and a session before",
    ),
    _Act(
        "delete",
        "delete the account and its data, as `deleteAccount` does",
        OperatorService.delete,
        "deleted",
    ),
)


def add_accounts(add: AddCommand, open_operators: Open) -> Commands:
    """Add the commands to a command line. Returns their group, for commands of other modules."""
    text = "look at an account and act on it; records each act and mails the owner"
    commands = add("accounts", help=text, description=text).add_subparsers(
        required=True, metavar="action"
    )
    parser = account_parser(commands, "show", "print an account, its sessions and security events")

    def show(arguments: argparse.Namespace) -> None:
        shown = _run(arguments, open_operators, lambda o: o.show(arguments.login, arguments.reason))
        _print(arguments, _of_shown(shown), _text_of_shown(shown))

    parser.set_defaults(run=show)
    for act in _ACTS:
        parser = account_parser(commands, act.name, act.help)
        parser.set_defaults(run=_acting(act, open_operators))
    _add_roles(commands, open_operators)
    return commands


def _add_roles(commands: Commands, open_operators: Open) -> None:
    text = "give the account these roles and no others, and end all sessions"
    parser = account_parser(commands, "roles", text)
    parser.add_argument("roles", nargs="+", metavar="role", help=f"`{USER}` for no further role")

    def assign(arguments: argparse.Namespace) -> None:
        has = f"in the roles {', '.join(sorted({USER, *arguments.roles}))}"
        act = _Act(
            "roles",
            text,
            lambda operators, login, reason: operators.assign_roles(login, arguments.roles, reason),
            has,
            has,
        )
        _acting(act, open_operators)(arguments)

    parser.set_defaults(run=assign)


def account_parser(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    """Add a command on one account, with the arguments that all of them have."""
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("login", help="the username, the address or the id")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--operator", default=_user(), help="your name, for the record")
    parser.add_argument("--reason", help="why, for the record; the owner does not see it")
    return parser


def _acting(act: _Act, open_operators: Open) -> Callable[[argparse.Namespace], None]:
    def run(arguments: argparse.Namespace) -> None:
        acted = _run(
            arguments,
            open_operators,
            lambda operators: act.run(operators, arguments.login, arguments.reason),
        )
        _print(arguments, {"action": act.name, **_of_acted(acted)}, _text_of_acted(act, acted))

    return run


def _run(
    arguments: argparse.Namespace,
    open_operators: Open,
    work: Callable[[OperatorService], Awaitable[T]],
) -> T:
    """Return the result of `work`. Exits as `run_on_account` does."""

    async def run(settings: Settings) -> T:
        async with open_operators(settings, arguments.operator) as operators:
            return await work(operators)

    return run_on_account(run)


def run_on_account(work: Callable[[Settings], Coroutine[Any, Any, T]]) -> T:
    """Return the result of a command on one account. Exits with NOT_FOUND or UNKNOWN_ROLE.

    Logs go to standard error: standard output has the result only.
    """
    settings = Settings.from_env()
    configure_logging("auth", settings.stage, sys.stderr)
    try:
        return asyncio.run(work(settings))
    except AccountNotFound:
        print("auth: no account has this username, address or id", file=sys.stderr)
        sys.exit(NOT_FOUND)
    except UnknownRole as error:
        print(f"auth: {error}", file=sys.stderr)
        sys.exit(UNKNOWN_ROLE)


def _print(arguments: argparse.Namespace, found: Mapping[str, Any], text: str) -> None:
    print(json.dumps(found, indent=2) if arguments.json else text)


def _of_acted(acted: Acted) -> dict[str, Any]:
    return {
        "userId": str(acted.user.id),
        "username": acted.user.username,
        "changed": acted.changed,
        "endedSessions": [str(session_id) for session_id in acted.ended],
        "mailed": acted.mailed,
    }


def _text_of_acted(act: _Act, acted: Acted) -> str:
    account = f"{acted.user.username} ({acted.user.id})"
    if not acted.changed:
        return f"{account} was {act.nothing}: nothing to do."
    mail = (
        "A mail to its address is on its way." if acted.mailed else "No mail: no verified address."
    )
    return f"{account} is {act.done}. Sessions ended: {len(acted.ended)}. {mail}"


def _of_shown(shown: Shown) -> dict[str, Any]:
    user = shown.user
    account = user and {
        "username": user.username,
        "email": user.email,
        "emailVerifiedAt": _time(user.email_verified_at),
        "createdAt": _time(user.created_at),
        "passwordChangedAt": _time(user.password_changed_at),
        "hasPassword": bool(user.password_hash),
        "disabledAt": _time(user.disabled_at),
        "roles": sorted({USER, *user.roles}),
    }
    return {
        "userId": str(shown.user_id),
        **(account or {}),
        "deletedAt": _time(shown.deleted_at),
        "sessions": [_of_session(session) for session in shown.sessions],
        "securityEvents": [_of_event(event) for event in shown.events],
    }


def _of_session(session: Session) -> dict[str, Any]:
    return {
        "id": str(session.id),
        "scopes": sorted(session.scopes),
        "userAgent": session.device.user_agent,
        "address": session.device.address,
        "createdAt": _time(session.created_at),
        "lastUsedAt": _time(session.last_used_at),
        "expiresAt": _time(session.expires_at),
    }


def _of_event(event: SecurityEvent) -> dict[str, Any]:
    origin = event.origin
    return {
        "id": str(event.id),
        "kind": event.kind.value,
        "at": _time(event.at),
        "sessionId": str(origin.session_id) if origin.session_id else None,
        "userAgent": origin.device.user_agent if origin.device else None,
        "address": origin.device.address if origin.device else None,
        "operator": origin.operator,
        "reason": event.reason,
    }


def _text_of_shown(shown: Shown) -> str:
    found = _of_shown(shown)
    sessions, events = found.pop("sessions"), found.pop("securityEvents")
    lines = [f"{name}: {value}" for name, value in found.items() if value is not None]
    for title, rows in (("sessions", sessions), ("security events", events)):
        lines += ["", f"{title}:" if rows else f"{title}: none"]
        lines += ["  " + "  ".join(_shown(value) for value in row.values()) for row in rows]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value)
    # A client chose some of the text: none of it may act on the terminal or look like a column.
    return "-" if value is None else json.dumps(value)


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _user() -> str:
    """Return the name of the user of the operating system."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may have none
        return "unknown"
