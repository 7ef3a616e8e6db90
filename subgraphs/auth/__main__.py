"""The auth service's command line: `python -m subgraphs.auth`."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta

from chassis.cli import AddCommand, run
from chassis.database import Database
from subgraphs.auth import keys_cli, passwords_cli
from subgraphs.auth.accounts_command import add_accounts
from subgraphs.auth.app import create_app, event_handler, operating
from subgraphs.auth.export_command import add_export
from subgraphs.auth.repository import SqlRepositories
from subgraphs.auth.schema import build_schema
from subgraphs.auth.settings import Settings

_MAILS_KEPT = timedelta(days=30)
"""Longer than a notice waits for a mail server."""


async def _purge(settings: Settings) -> int:
    database = Database(settings.database_url, pool_size=1)
    await database.connect()
    now = datetime.now(UTC)

    async def purge(repositories: SqlRepositories) -> int:
        sessions = await repositories.sessions.purge(
            expired_at=now,
            ended_before=now - 2 * settings.access_token_lifetime,
            # A token that is sent again later is refused, but no longer recognised as stolen.
            used_before=now - settings.session_lifetime,
        )
        mails = await repositories.account_mails.purge(now=now, created_before=now - _MAILS_KEPT)
        events = await repositories.security_events.purge(now - settings.security_events_kept)
        return sessions + mails + events

    try:
        return await database.transaction(lambda connection: purge(SqlRepositories.on(connection)))
    finally:
        await database.disconnect()


def _run_purge(_: argparse.Namespace) -> None:
    print(asyncio.run(_purge(Settings.from_env())), "rows removed")


def _own_commands(add: AddCommand) -> None:
    text = "remove expired and ended sessions, old account mails and old security events"
    add("purge", help=text, description=text).set_defaults(run=_run_purge)
    add_export(add_accounts(add, operating), operating)
    text = "make the filter of leaked passwords"
    passwords = add("passwords", help=text, description=text)
    passwords_cli.add_commands(passwords.add_subparsers(required=True, metavar="action"))
    text = "make, list, rotate and replace the keys that sign access tokens"
    keys = add("keys", help=text, description=text)
    keys_cli.add_commands(keys.add_subparsers(required=True, metavar="action"))


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
