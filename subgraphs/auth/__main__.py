"""The auth service's command line: `python -m subgraphs.auth`."""

import argparse
import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from chassis.cli import AddCommand, run
from chassis.database import Database
from chassis.settings import SettingsError, read_environment
from subgraphs.auth.app import create_app, event_handler, role_service
from subgraphs.auth.export_command import add_export
from subgraphs.auth.keys import KeyRing, SigningKey
from subgraphs.auth.repository import SqlRepositories
from subgraphs.auth.roles_command import add_roles
from subgraphs.auth.schema import build_schema
from subgraphs.auth.settings import Settings

_MAILS_KEPT = timedelta(days=30)
"""Longer than a notice waits for a mail server."""


def _ring() -> KeyRing:
    with read_environment() as read:
        text = read.secret("AUTH_SIGNING_KEYS")
    try:
        return KeyRing.parse(text)
    except ValueError as error:
        raise SettingsError([f"AUTH_SIGNING_KEYS cannot be read: {error}"]) from error


def _keys_new(_: argparse.Namespace) -> None:
    print(KeyRing([SigningKey.generate()]).serialize())


def _keys_list(_: argparse.Namespace) -> None:
    ring = _ring()
    for key in ring.keys:
        print(key.id, "signs and verifies" if key is ring.signing else "verifies")


def _keys_add(_: argparse.Namespace) -> None:
    print(_ring().add(SigningKey.generate()).serialize())


def _command_of(change: Callable[[KeyRing, str], KeyRing]) -> Callable[[argparse.Namespace], None]:
    """Return the command that prints the ring after `change` of the key with this id."""

    def run_change(arguments: argparse.Namespace) -> None:
        try:
            print(change(_ring(), arguments.id).serialize())
        except KeyError:
            sys.exit(f"auth: AUTH_SIGNING_KEYS has no key {arguments.id}")
        except ValueError as error:
            sys.exit(f"auth: {error}")

    return run_change


async def _purge(settings: Settings) -> int:
    database = Database(settings.database_url, pool_size=1)
    await database.connect()
    now = datetime.now(UTC)

    async def purge(repositories: SqlRepositories) -> int:
        return await repositories.sessions.purge(
            expired_at=now,
            ended_before=now - 2 * settings.access_token_lifetime,
            # A token that is sent again later is refused, but no longer recognised as stolen.
            used_before=now - settings.session_lifetime,
        ) + await repositories.account_mails.purge(now=now, created_before=now - _MAILS_KEPT)

    try:
        return await database.transaction(lambda connection: purge(SqlRepositories.on(connection)))
    finally:
        await database.disconnect()


def _run_purge(_: argparse.Namespace) -> None:
    print(asyncio.run(_purge(Settings.from_env())), "rows removed")


def _own_commands(add: AddCommand) -> None:
    text = "remove expired and ended sessions that no valid token names, and old account mails"
    add("purge", help=text, description=text).set_defaults(run=_run_purge)
    add_export(add)
    text = "change what an account may do"
    accounts = add("accounts", help=text, description=text)
    actions = accounts.add_subparsers(required=True, metavar="action")
    add_roles(actions.add_parser, role_service)
    text = "create, list and change the keys in AUTH_SIGNING_KEYS; prints its new value"
    keys = add("keys", help=text, description=text).add_subparsers(required=True, metavar="action")
    for name, command, text in (
        ("new", _keys_new, "print a value with one new key"),
        ("list", _keys_list, "print the id and the use of each key"),
        ("add", _keys_add, "add a new key that verifies"),
    ):
        keys.add_parser(name, help=text, description=text).set_defaults(run=command)
    for name, change, text in (
        ("promote", KeyRing.promote, "make this key the one that signs"),
        ("remove", KeyRing.remove, "remove this key: its tokens are refused"),
    ):
        parser = keys.add_parser(name, help=text, description=text)
        parser.add_argument("id")
        parser.set_defaults(run=_command_of(change))


if __name__ == "__main__":
    sys.exit(
        run(
            "auth",
            read_settings=Settings.from_env,
            create_app=create_app,
            build_schema=build_schema,
            event_handler=event_handler,
            own_commands=_own_commands,
        )
    )
