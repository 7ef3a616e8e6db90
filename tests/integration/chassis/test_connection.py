"""Statements sent directly to asyncpg return the same as through `databases`."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import databases
import pytest

from chassis.database import Connection, Database
from tests.integration.conftest import FreshDatabase

EVERYTHING = """
    SELECT CAST(:id AS uuid) AS id, CAST(:text AS text) AS text, CAST(:at AS timestamptz) AS at,
           CAST(:number AS integer) + CAST(:number AS integer) AS twice,
           CAST(:nothing AS text) AS nothing, CAST(:ids AS uuid[]) AS ids, '12:30'::text AS time,
           CAST(:flag AS boolean) AS flag, CAST(:bytes AS bytea) AS bytes
    FROM generate_series(1, 3)
"""
VALUES = {
    "number": 21,
    "id": UUID(int=1),
    "ids": [UUID(int=2), UUID(int=3)],
    "text": "':id' and 100 % of a $1 🐦",
    "at": datetime(2026, 11, 1, 12, tzinfo=UTC),
    "nothing": None,
    "flag": True,
    "bytes": b"\x00\xff",
}


@pytest.fixture
async def url(fresh_database: FreshDatabase) -> str:
    return await fresh_database("chassis", None)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    await database.connect()
    yield database
    await database.disconnect()


class TestConnection:
    async def test_rows_equal_those_of_databases(self, url: str, database: Database) -> None:
        ours = await database.read(lambda c: c.fetch_all(EVERYTHING, VALUES))
        one = await database.read(lambda c: c.fetch_one(EVERYTHING, VALUES))
        value = await database.read(lambda c: c.fetch_val(EVERYTHING, VALUES))
        async with databases.Database(url) as through:
            theirs = await through.fetch_all(EVERYTHING, VALUES)
        assert [dict(row) for row in ours] == [dict(row._mapping) for row in theirs]
        assert len(ours) == 3
        assert one is not None
        assert dict(one) == dict(ours[0])
        assert value == VALUES["id"]

    async def test_missing_row_is_none(self, database: Database) -> None:
        nothing = "SELECT 1 WHERE :wanted"
        assert await database.read(lambda c: c.fetch_one(nothing, {"wanted": False})) is None
        assert await database.read(lambda c: c.fetch_val(nothing, {"wanted": False})) is None
        assert await database.read(lambda c: c.fetch_all(nothing, {"wanted": False})) == []

    @pytest.mark.parametrize("values", [None, {}, {"id": 1, "other": 2}, {"other": 2}])
    async def test_missing_or_unknown_parameters_are_refused(
        self, database: Database, values: dict[str, int] | None
    ) -> None:
        with pytest.raises((ValueError, KeyError)):
            await database.read(lambda c: c.fetch_val("SELECT CAST(:id AS integer)", values))
        with pytest.raises(ValueError, match="but got"):
            await database.read(lambda c: c.fetch_val("SELECT 1", {"id": 1}))

    async def test_transaction_left_open_ends_with_its_unit_of_work(
        self, database: Database
    ) -> None:
        async def leave_open(connection: Connection) -> None:
            await connection.execute("BEGIN")
            await connection.execute("CREATE TABLE left_open ()")

        await database.read(leave_open)
        found = "SELECT to_regclass('left_open')"
        assert await database.read(lambda c: c.fetch_val(found)) is None
        await database.transaction(lambda c: c.execute("CREATE TABLE left_open ()"))
