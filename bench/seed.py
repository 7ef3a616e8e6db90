"""Seed the tweets table by COPY: one reader whose timeline is queried, and many other authors."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import UUID

import asyncpg

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
APART = 1237
"""Microseconds between two tweets."""
TEXT = "A tweet of ordinary length, such as one reads every day, with an emoji 🐦 and no news."
SHARE = 100
"""Every SHARE-th tweet is the reader's; every other author has SHARE tweets in all."""

COLUMNS = ("id", "author_id", "author_username", "text", "retweet_of", "created_at")
_FIRST = int(BEGIN.timestamp()) * 1_000_000
_AT_ONCE = 10_000
_SHOWN = 2_000_000


def tweet_id(number: int) -> UUID:
    """Return the UUIDv7 of a tweet; its time is the tweet's."""
    return UUID(int=_id(number))


def _id(number: int) -> int:
    milliseconds = (_FIRST + number * APART) // 1000
    return milliseconds << 80 | 0x7 << 76 | 0b10 << 62 | number


def _line(number: int, reader: str) -> str:
    """Return a tweet in the format of COPY. A quarter of the reader's tweets are retweets."""
    time = BEGIN + timedelta(microseconds=number * APART)
    position, author = divmod(number, SHARE)
    if author:
        who = f"{1 << 127 | author << 64 | position // SHARE:x}\tauthor{author}_{position // SHARE}"
    else:
        who = f"{reader}\treader"
        if position % 4 == 1:
            return f"{_id(number):032x}\t{who}\t\\N\t{_id(number - 1):032x}\t{time}\n"
    return f"{_id(number):032x}\t{who}\t{TEXT} ({number})\t\\N\t{time}\n"


def fill(superuser_url: str, reader: UUID, count: int) -> None:
    """Fill an empty table with `count` tweets, and do the maintenance that would follow later."""
    asyncio.run(_fill(superuser_url, reader, count))


async def _fill(url: str, reader: UUID, count: int) -> None:
    connection: Any = await asyncpg.connect(url)
    try:
        # Foreign keys need no check, each original exists; a crash would end the benchmark anyway.
        await connection.execute("SET session_replication_role = replica")
        await connection.execute("SET synchronous_commit = off")
        await connection.execute("SET maintenance_work_mem = '512MB'")
        async with _indexed_afterwards(connection):
            await connection.copy_to_table(
                "tweets", source=_lines(reader.hex, count), columns=COLUMNS
            )
        # Statistics, hint bits and a checkpoint, so that no later measurement pays for them.
        await connection.execute("VACUUM (ANALYZE) tweets")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _lines(reader: str, count: int) -> AsyncIterator[bytes]:
    began = perf_counter()
    for begin in range(0, count, _AT_ONCE):
        end = min(begin + _AT_ONCE, count)
        yield "".join([_line(number, reader) for number in range(begin, end)]).encode()
        if end % _SHOWN == 0:
            took = perf_counter() - began
            print(f"  {end:,} of {count:,} tweets after {took:.0f} s", file=sys.stderr)


@asynccontextmanager
async def _indexed_afterwards(connection: Any) -> AsyncIterator[None]:
    """Create the indexes after the block, by sorting, instead of row by row."""
    indexes = await connection.fetch(
        """
        SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
        FROM pg_index WHERE indrelid = 'tweets'::regclass AND NOT indisprimary
        """
    )
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    yield
    for index in indexes:
        await connection.execute(index["definition"])
