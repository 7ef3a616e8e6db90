"""The commands that every service has (`serve`, `migrate`, `schema`) and room for its own."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import asyncpg
from starlette.types import ASGIApp

from chassis.app import open_database
from chassis.database import Database, DatabaseUnavailableError
from chassis.graphql.schema import SchemaError, SubgraphSchema
from chassis.logging import configure_logging
from chassis.migrations import SchemaNotCurrentError, head, upgrade
from chassis.server import serve
from chassis.settings import ServiceSettings, SettingsError
from chassis.shutdown import Draining, Shutdown
from chassis.topology import TopologyError, declared
from chassis.tracing import configure_tracing, end_tracing

S = TypeVar("S", bound=ServiceSettings)
AddCommand = Callable[..., argparse.ArgumentParser]
"""`add_parser` of argparse: the parser that it gives needs `set_defaults(run=…)`, a function that
takes the parsed arguments."""


def run(
    service: str,
    *,
    program: str | None = None,
    read_settings: Callable[[], S],
    create_app: Callable[[S, Shutdown], ASGIApp],
    build_schema: Callable[[], SubgraphSchema],
    migrations: Path,
    sockets: bool = False,
    own_commands: Callable[[AddCommand], None] | None = None,
    arguments: Sequence[str] | None = None,
) -> int:
    """Run one command and return its exit status.

    That is 2 for wrong settings or a wrong declaration or schema, and 1 for an unfit database.

    `program` is the module that was started, by default the subgraph of this name; `sockets` says
    that it serves WebSockets.
    """

    def run_serve(_: argparse.Namespace) -> None:
        settings = read_settings()
        configure_logging(service, settings.stage)
        # Asked before the server starts, because that would show a traceback for it.
        asyncio.run(_open_and_close(settings.database_url, migrations))
        configure_tracing(service, settings.tracing_endpoint)
        shutdown = Shutdown()
        try:
            serve(
                Draining(create_app(settings, shutdown), shutdown),
                shutdown,
                host=settings.host,
                port=settings.port,
                notice=settings.shutdown_notice,
                sockets=sockets,
            )
        finally:
            end_tracing()

    def run_migrate(_: argparse.Namespace) -> None:
        settings = read_settings()
        configure_logging(service, settings.stage)
        asyncio.run(_migrate(settings.database_url, migrations))
        print(f"{service}: the database is at revision {head(migrations)}.")  # noqa: T201

    def run_schema(_: argparse.Namespace) -> None:
        print(build_schema().sdl)  # noqa: T201

    parser = argparse.ArgumentParser(prog=f"python -m {program or f'subgraphs.{service}'}")
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, command, text in (
        ("serve", run_serve, "answer requests until told to stop"),
        ("migrate", run_migrate, "bring the database to the newest schema"),
        ("schema", run_schema, "print the GraphQL schema"),
    ):
        commands.add_parser(name, help=text, description=text).set_defaults(run=command)
    if own_commands:
        own_commands(commands.add_parser)
    chosen = parser.parse_args(arguments)

    try:
        chosen.run(chosen)
    except SettingsError as error:
        problems = "; ".join(error.problems)
        where = f"see {declared()[service].folder}/README.md; `make up` writes the settings to .env"
        return _fail(service, f"the environment is not complete: {problems} ({where})", 2)
    except (TopologyError, SchemaError) as error:
        return _fail(service, str(error), 2)
    except (DatabaseUnavailableError, SchemaNotCurrentError) as error:
        return _fail(service, str(error), 1)
    except asyncpg.PostgresError as error:
        return _fail(service, f"PostgreSQL refused: {error}", 1)
    return 0


def _fail(service: str, message: str, status: int) -> int:
    print(f"{service}: {message}", file=sys.stderr)  # noqa: T201
    return status


async def _open_and_close(url: str, migrations: Path) -> None:
    async with open_database(Database(url, pool_size=1), migrations):
        pass


async def _migrate(url: str, migrations: Path) -> None:
    database = Database(url, pool_size=1)
    # Waits for a server that is still starting.
    await database.connect()
    await database.disconnect()
    await upgrade(url, migrations)
