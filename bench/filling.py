"""Fills the tweets table by COPY: a reader whose timeline is asked for, and many others."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = "A tweet of ordinary length, such as one reads every day, with an emoji 🐦 and no news."
SHARE = 100
"""Each so-many-th tweet is the reader's; an author among the others has as many in all."""

COLUMNS = ("id", "author_id", "author_username", "text", "retweet_of", "created_at")
Tweet = tuple[UUID, UUID, str, str | None, UUID | None, datetime]


def tweet_id(number: int) -> UUID:
    """A UUIDv7 whose time is the tweet's."""
    milliseconds = int(_time(number).timestamp() * 1000)
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (0b10 << 62) | number)


def _time(number: int) -> datetime:
    return BEGIN + timedelta(milliseconds=number * 1.237)


def tweets(reader: UUID, begin: int, end: int) -> Iterator[Tweet]:
    """The tweets numbered so. A fourth of the reader's are retweets of others' tweets."""
    for number in range(begin, end):
        mine, position = number % SHARE == 0, number // SHARE
        author = reader if mine else UUID(int=(1 << 127) | number % SHARE << 64 | position // SHARE)
        retweet = mine and position % 4 == 1
        yield (
            tweet_id(number),
            author,
            "reader" if mine else f"author{number % SHARE}_{position // SHARE}",
            None if retweet else f"{TEXT} ({number})",
            tweet_id(number - 1) if retweet else None,
            _time(number),
        )


def fill(superuser_url: str, reader: UUID, begin: int, end: int) -> None:
    """Adds the tweets numbered from `begin` to `end`."""
    asyncio.run(_fill(superuser_url, reader, begin, end))


async def _fill(url: str, reader: UUID, begin: int, end: int) -> None:
    connection: Any = await asyncpg.connect(url)
    try:
        # As a replica would: whether a retweet's original is there is known here.
        await connection.execute("SET session_replication_role = replica")
        await connection.copy_records_to_table(
            "tweets", records=tweets(reader, begin, end), columns=COLUMNS
        )
        await connection.execute("VACUUM (ANALYZE) tweets")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
