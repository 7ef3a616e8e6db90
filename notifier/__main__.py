"""The notifier's command line: `python -m notifier serve|migrate|schema|backfill|…`."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chassis.app import open_database
from chassis.backfill.command import add_backfill
from chassis.cli import AddCommand, run
from chassis.events import MalformedEventError
from notifier.app import (
    MIGRATIONS,
    create_app,
    dead_letters,
    open_backfill,
    open_pool,
    unit_of_work,
)
from notifier.dead_letters import DeadLetter, DeadLetters
from notifier.domain import RejectedEvent
from notifier.errors import DeadLetterNotFound, InvalidEvent
from notifier.schema import build_schema
from notifier.settings import Settings


def _with_letters(
    command: Callable[[DeadLetters, argparse.Namespace], Awaitable[None]],
) -> Callable[[argparse.Namespace], None]:
    async def on_database(arguments: argparse.Namespace) -> None:
        settings = Settings.from_env()
        database = open_pool(settings)
        async with open_database(database, MIGRATIONS):
            await command(dead_letters(settings, database), arguments)

    def run_command(arguments: argparse.Namespace) -> None:
        try:
            asyncio.run(on_database(arguments))
        except DeadLetterNotFound:
            sys.exit(f"notifier: there is no dead letter {arguments.id}")
        except (InvalidEvent, MalformedEventError) as error:
            sys.exit(f"notifier: the event still cannot be handled: {error}")

    return run_command


async def _list(letters: DeadLetters, _: argparse.Namespace) -> None:
    found = await letters.all()
    for letter in found:
        print(_line(letter))
    if not found:
        print("There are no dead letters.")


def _line(letter: DeadLetter) -> str:
    if isinstance(letter, RejectedEvent):
        return f"{letter.id}  event  {letter.rejected_at:%Y-%m-%d %H:%M:%S}  {letter.reason}"
    return f"{letter.id}  mail   {letter.created_at:%Y-%m-%d %H:%M:%S}  {letter.last_error}"


async def _show(letters: DeadLetters, arguments: argparse.Namespace) -> None:
    letter = await letters.get(arguments.id)
    print(_line(letter))
    if isinstance(letter, RejectedEvent):
        print(letter.raw)
        return
    print("to       ", letter.recipient_id)
    print("tweet    ", letter.tweet_id)
    print("message  ", letter.message_id)
    print("attempts ", letter.attempts)


async def _retry(letters: DeadLetters, arguments: argparse.Namespace) -> None:
    await letters.retry(arguments.id)
    print(arguments.id, "is tried again")


async def _drop(letters: DeadLetters, arguments: argparse.Namespace) -> None:
    await letters.drop(arguments.id)
    print(arguments.id, "is dropped")


async def _purge(arguments: argparse.Namespace) -> int:
    settings = Settings.from_env()
    before = datetime.now(UTC) - timedelta(days=arguments.days)
    database = open_pool(settings)
    async with open_database(database, MIGRATIONS):
        return await unit_of_work(settings, database).transaction(lambda r: r.purge(before))


def _run_purge(arguments: argparse.Namespace) -> None:
    print(asyncio.run(_purge(arguments)), "rows removed")


def _own_commands(add: AddCommand) -> None:
    add_backfill(add, "notifier", Settings.from_env, open_backfill)
    text = "look after mails that were given up and events that could not be handled"
    letters = add("dead-letters", help=text, description=text)
    commands = letters.add_subparsers(required=True, metavar="what")
    text = "print a line for each"
    commands.add_parser("list", help=text, description=text).set_defaults(run=_with_letters(_list))
    for name, command, text in (
        ("show", _show, "print all that is known of one"),
        ("retry", _retry, "send the mail, or handle the event, after all"),
        ("drop", _drop, "do without it"),
    ):
        parser = commands.add_parser(name, help=text, description=text)
        parser.add_argument("id", type=UUID)
        parser.set_defaults(run=_with_letters(command))
    text = "forget events that were handled, mails nobody wanted or knew an address for"
    purge = add("purge", help=text, description=text)
    purge.add_argument("--days", type=int, default=90, help="how long ago, by default 90")
    purge.set_defaults(run=_run_purge)


if __name__ == "__main__":
    sys.exit(
        run(
            "notifier",
            read_settings=Settings.from_env,
            create_app=create_app,
            build_schema=build_schema,
            own_commands=_own_commands,
        )
    )
