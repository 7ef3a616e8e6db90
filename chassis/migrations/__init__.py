"""Alembic for every service: the environment is here, the versions are in each service."""

import ast
import asyncio
import logging
import re
from pathlib import Path

from asyncpg import UndefinedTableError

from chassis.database import Connection, Database
from chassis.topology import ROOT, declared

HERE = Path(__file__).parent
_LOCK = 0x43_48_49_52_50  # "CHIRP", the advisory lock of migrations


class SchemaNotCurrentError(Exception):
    """The schema of the database is not the one that this code needs."""


def versions_of(service: str) -> Path:
    """Return the directory with the migrations of a declared service. Raises TopologyError."""
    return ROOT / declared()[service].migrations


def head(versions: Path) -> str | None:
    """Return the newest revision in `versions`, as Alembic finds it, or None without migrations.

    Every start of a service needs it, and importing Alembic takes a third of a start
    (docs/performance.md). Raises ValueError for several heads.
    """
    modules = [_constants(file) for file in versions.glob("*.py")]
    followed = {module.get("down_revision") for module in modules}
    newest = {module["revision"] for module in modules if "revision" in module} - followed
    if len(newest) > 1:
        raise ValueError(f"{versions} has more than one newest revision: {sorted(newest)}")
    return newest.pop() if newest else None


def _constants(file: Path) -> dict[str, str]:
    """Return the string constants of a module by name."""
    return {
        target.id: node.value.value
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def migrate(url: str, versions: Path) -> None:
    """Migrate the database at `url` (postgresql://…) to the newest revision."""
    asyncio.run(upgrade(url, versions))


async def upgrade(url: str, versions: Path) -> None:
    """Migrate the database at `url` to the newest revision, in a running event loop."""
    # On import it logs each of its plugins.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    # Imported here, because serving needs none of it.
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection as SyncConnection
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool
    )

    def run(connection: SyncConnection) -> None:
        config.attributes["connection"] = connection
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        found = MigrationContext.configure(connection).get_current_revision()
        if not is_later(found, head(versions)):
            command.upgrade(config, "head")

    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


def is_later(found: str | None, wanted: str | None) -> bool:
    """Return whether `found` is later in the history of `wanted`: `tweets0003` for `tweets0002`."""
    histories = [re.fullmatch(r"([a-z]+)([0-9]+)", revision or "") for revision in (found, wanted)]
    match histories:
        case [re.Match() as one, re.Match() as other]:
            return one[1] == other[1] and int(one[2]) > int(other[2])
    return False


async def require_current(database: Database, versions: Path) -> None:
    """Raise SchemaNotCurrentError unless the database is at the newest revision or a later one.

    A later revision belongs to a release that is being rolled out or was rolled back; it is
    compatible with the previous release (docs/adr/0014).
    """

    async def read(connection: Connection) -> str | None:
        try:
            revision: str | None = await connection.fetch_val(
                "SELECT version_num FROM alembic_version"
            )
        except UndefinedTableError:
            return None
        return revision

    found, wanted = await database.read(read), head(versions)
    if found != wanted and not is_later(found, wanted):
        raise SchemaNotCurrentError(
            f"The database is at revision {found}, this code needs {wanted}. Run `migrate` first."
        )
