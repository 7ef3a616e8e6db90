"""The command line of the notifier: `python -m notifier --help`."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta

from chassis.app import open_database
from chassis.cli import AddCommand, run
from chassis.database import Database
from chassis.migrations import versions_of
from notifier.app import create_app, dead_letters, event_handler, unit_of_work
from notifier.consumer import BACKFILLED
from notifier.schema import build_schema
from notifier.settings import Settings


async def _purge(settings: Settings, before: datetime) -> int:
    database = Database(settings.database_url, pool_size=1)
    async with open_database(database, versions_of("notifier")):
        return await unit_of_work(settings, database).transaction(lambda r: r.purge(before))


def _run_purge(arguments: argparse.Namespace) -> None:
    before = datetime.now(UTC) - timedelta(days=arguments.days)
    print(asyncio.run(_purge(Settings.from_env(), before)), "rows removed")


def _own_commands(add: AddCommand) -> None:
    text = "remove old events and mails that are no longer needed; keeps suppressed addresses"
    purge = add("purge", help=text, description=text)
    purge.add_argument("--days", type=int, default=90, help="the minimum age; 90 by default")
    purge.set_defaults(run=_run_purge)


if __name__ == "__main__":
    sys.exit(
        run(
            "notifier",
            read_settings=Settings.from_env,
            create_app=create_app,
            build_schema=build_schema,
            event_handler=event_handler,
            dead_letters=dead_letters,
            backfilled=BACKFILLED,
            own_commands=_own_commands,
        )
    )
