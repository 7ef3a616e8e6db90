"""The command line of a service: `serve`, `migrate`, `schema`, … and the service's own commands."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import asyncpg
from starlette.types import ASGIApp

from chassis.app import open_database
from chassis.backfill import Backfill
from chassis.backfill.command import add_backfill
from chassis.database import Database, DatabaseUnavailableError
from chassis.dead_letters import (
    DeadLetter,
    DeadLetterNotFoundError,
    DeadLetters,
    EventHandler,
    RejectedEvents,
    RetryFailedError,
)
from chassis.graphql.schema import SchemaError, SubgraphSchema
from chassis.logging import configure_logging
from chassis.migrations import SchemaNotCurrentError, head, upgrade, versions_of
from chassis.parts import Parts
from chassis.server import serve
from chassis.settings import ServiceSettings, SettingsError
from chassis.shutdown import Draining, Shutdown
from chassis.topology import Service, TopologyError, declared
from chassis.tracing import configure_tracing, end_tracing

S = TypeVar("S", bound=ServiceSettings)
AddCommand = Callable[..., argparse.ArgumentParser]
"""`add_parser` of argparse. The returned parser needs `set_defaults(run=…)` with a function of the
parsed arguments."""

DeadLetterWork = Callable[[DeadLetters], Awaitable[None]]

_EXPECTED = (
    SettingsError,
    TopologyError,
    SchemaError,
    DatabaseUnavailableError,
    SchemaNotCurrentError,
    DeadLetterNotFoundError,
    RetryFailedError,
    asyncpg.PostgresError,
)


def run(
    service: str,
    *,
    read_settings: Callable[[], S],
    create_app: Callable[[S, Shutdown], ASGIApp],
    build_schema: Callable[[], SubgraphSchema],
    event_handler: Callable[[S, Database], EventHandler] | None = None,
    dead_letters: Callable[[S, Database], DeadLetters] | None = None,
    backfilled: Collection[str] | None = None,
    own_commands: Callable[[AddCommand], None] | None = None,
    arguments: Sequence[str] | None = None,
) -> int:
    """Run one command of a service and return the exit status.

    The status is 2 for invalid settings and 1 for a database that cannot be used or a dead letter
    that cannot be handled. `service` is the name of a stanza in services.toml.

    `event_handler` returns the handler of consumed events, for the commands `backfill` and
    `dead-letters`. A service with dead letters of other kinds passes `dead_letters`. `backfilled`
    names the services whose state `backfill` fetches, by default all that the service `consumes`.
    """
    try:
        program = _Program(declared()[service], read_settings, create_app, build_schema)
        parser = argparse.ArgumentParser(prog=f"python -m {program.declaration.module}")
        commands = parser.add_subparsers(required=True, metavar="command")
        for name, command, text in (
            ("serve", program.serve, "serve requests until SIGTERM or SIGINT"),
            ("migrate", program.migrate, "migrate the database to the newest schema"),
            ("schema", program.schema, "print the GraphQL schema"),
        ):
            commands.add_parser(name, help=text, description=text).set_defaults(run=command)
        if event_handler:
            dead_letters = dead_letters or _rejected_events(event_handler)
            opened = program.opened_backfill(event_handler, backfilled)
            add_backfill(commands.add_parser, service, read_settings, opened)
        if dead_letters:
            _add_dead_letters(commands.add_parser, program.on_letters(dead_letters))
        if own_commands:
            own_commands(commands.add_parser)
        chosen = parser.parse_args(arguments)
        chosen.run(chosen)
    except _EXPECTED as error:
        message, status = _explanation(service, error)
        print(f"{service}: {message}", file=sys.stderr)
        return status
    return 0


def _explanation(service: str, error: Exception) -> tuple[str, int]:
    """Return the line that explains an error, and the exit status."""
    match error:
        case SettingsError():
            readme = f"{declared()[service].folder}/README.md"
            remedy = f"(see {readme}; `make run SERVICE={service}` runs it with those of `make up`)"
            return f"invalid environment: {'; '.join(error.problems)} {remedy}", 2
        case TopologyError() | SchemaError():
            return str(error), 2
        case RetryFailedError():
            return f"the dead letter still cannot be handled: {error}", 1
        case asyncpg.PostgresError():
            return f"PostgreSQL error: {error}", 1
    return str(error), 1


@dataclass(frozen=True, slots=True)
class _Program(Generic[S]):
    """The commands of one service."""

    declaration: Service
    read_settings: Callable[[], S]
    create_app: Callable[[S, Shutdown], ASGIApp]
    build_schema: Callable[[], SubgraphSchema]

    @property
    def _name(self) -> str:
        return self.declaration.name

    @property
    def _migrations(self) -> Path:
        return versions_of(self._name)

    def serve(self, _: argparse.Namespace) -> None:
        settings = self._settings()
        # Checked before the server starts, which would print a traceback.
        asyncio.run(_open_and_close(settings.database_url, self._migrations))
        configure_tracing(self._name, settings.tracing_endpoint)
        shutdown = Shutdown()
        try:
            serve(
                Draining(self.create_app(settings, shutdown), shutdown),
                shutdown,
                host=settings.host,
                port=settings.port,
                notice=settings.shutdown_notice,
                sockets=self.declaration.subscriptions,
            )
        finally:
            end_tracing()

    def migrate(self, _: argparse.Namespace) -> None:
        asyncio.run(_migrate(self._settings().database_url, self._migrations))
        revision = head(self._migrations)
        print(f"{self._name}: the database is at revision {revision}.")

    def schema(self, _: argparse.Namespace) -> None:
        print(self.build_schema().sdl)

    def on_letters(
        self, dead_letters: Callable[[S, Database], DeadLetters]
    ) -> Callable[[DeadLetterWork], None]:
        """Return a function that runs work on the dead letters of the service."""

        async def on_database(work: DeadLetterWork) -> None:
            settings = self._settings()
            database = Database(settings.database_url, pool_size=2)
            async with open_database(database, self._migrations):
                await work(dead_letters(settings, database))

        return lambda work: asyncio.run(on_database(work))

    def opened_backfill(
        self,
        event_handler: Callable[[S, Database], EventHandler],
        owners: Collection[str] | None,
    ) -> Callable[[S], AbstractAsyncContextManager[Backfill]]:
        """Return a function that opens the backfill of the service."""

        @asynccontextmanager
        async def opened(settings: S) -> AsyncIterator[Backfill]:
            parts = Parts(self._name, settings)
            async with parts.opened():
                yield parts.backfill(event_handler(settings, parts.database), owners)

        return opened

    def _settings(self) -> S:
        settings = self.read_settings()
        configure_logging(self._name, settings.stage)
        return settings


def _rejected_events(
    event_handler: Callable[[S, Database], EventHandler],
) -> Callable[[S, Database], DeadLetters]:
    return lambda settings, database: RejectedEvents(database, event_handler(settings, database))


def _add_dead_letters(add: AddCommand, on_letters: Callable[[DeadLetterWork], None]) -> None:
    """Add `dead-letters list|show|retry|drop`."""

    async def list_all(letters: DeadLetters) -> None:
        found = await letters.all()
        for letter in found:
            print(_line(letter))
        if not found:
            print("There are no dead letters.")

    async def show(letters: DeadLetters, letter_id: str) -> None:
        letter = await letters.get(letter_id)
        print(_line(letter), letter.details, sep="\n")

    async def retry(letters: DeadLetters, letter_id: str) -> None:
        await letters.retry(letter_id)
        print(f"Retried dead letter {letter_id}.")

    async def drop(letters: DeadLetters, letter_id: str) -> None:
        await letters.drop(letter_id)
        print(f"Dropped dead letter {letter_id}.")

    def on_one(
        action: Callable[[DeadLetters, str], Awaitable[None]],
    ) -> Callable[[argparse.Namespace], None]:
        return lambda chosen: on_letters(lambda letters: action(letters, chosen.id))

    text = "list, show, retry and drop what could not be handled"
    parser = add("dead-letters", help=text, description=text)
    commands = parser.add_subparsers(required=True, metavar="action")
    text = "print one line for each dead letter"
    parser = commands.add_parser("list", help=text, description=text)
    parser.set_defaults(run=lambda _: on_letters(list_all))
    for name, action, text in (
        ("show", show, "print a dead letter in full"),
        ("retry", retry, "handle a dead letter again, and delete it on success"),
        ("drop", drop, "delete a dead letter without handling it"),
    ):
        parser = commands.add_parser(name, help=text, description=text)
        parser.add_argument("id", help="the id that `list` prints")
        parser.set_defaults(run=on_one(action))


def _line(letter: DeadLetter) -> str:
    return f"{letter.id}  {letter.kind}  {letter.since:%Y-%m-%d %H:%M:%S}  {letter.reason}"


async def _open_and_close(url: str, migrations: Path) -> None:
    async with open_database(Database(url, pool_size=1), migrations):
        pass


async def _migrate(url: str, migrations: Path) -> None:
    database = Database(url, pool_size=1)
    # Connecting waits for a server that is still starting.
    await database.connect()
    await database.disconnect()
    await upgrade(url, migrations)
