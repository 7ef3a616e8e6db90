"""The records of a user in one service, gathered page by page into an answer of bounded size."""

import json
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import orjson

T = TypeVar("T")

Record = Mapping[str, object]
"""One row as its user gets it: JSON values, UUIDs and times by their names."""

_PAGE = 200
"""Rows that are read at once."""


@dataclass(frozen=True, slots=True)
class Records:
    """A page of records of one kind, like `tweets`."""

    kind: str
    page: Sequence[Record]


Export = Callable[[UUID], AsyncGenerator[Records, None]]
"""Yields everything that a service stores about a user; nothing for a deleted or unknown one.

All pages of a kind follow one another. A kind without records is one empty page.
"""


async def in_pages(
    read: Callable[[UUID, int], Awaitable[Sequence[T]]], *, key: Callable[[T], UUID]
) -> AsyncGenerator[Sequence[T], None]:
    """Yield the pages of rows that have an order: at least one page, which may be empty.

    `read` returns the rows that follow the one with the given `key` in that order, at most so many;
    the first ones for the nil UUID.
    """
    after = UUID(int=0)
    while True:
        rows = await read(after, _PAGE)
        yield rows
        if len(rows) < _PAGE:
            return
        after = key(rows[-1])


async def no_personal_data(_: UUID) -> AsyncGenerator[Records, None]:
    """Export nothing, in a service that stores nothing about users."""
    return
    yield


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest answer of one service: it is in the memory of two processes and of Redis."""

    records: int = 100_000
    size: int = 32 * 1024 * 1024
    """Bytes of JSON. Redis holds less than half of it: answers are compressed."""


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Answer:
    """The records of one user in one service."""

    records: int
    """Their number."""
    truncated: bool
    """Whether there are more records than the limits allow."""
    compressed: bytes

    @property
    def text(self) -> str:
        """The records by kind, as a JSON object of arrays."""
        return zlib.decompress(self.compressed).decode()

    def to_bytes(self) -> bytes:
        """Return the answer in the form that `from_bytes` reads."""
        header = json.dumps({"records": self.records, "truncated": self.truncated})
        return header.encode() + b"\n" + self.compressed

    @classmethod
    def from_bytes(cls, data: bytes) -> "Answer":
        """Raises ValueError."""
        header, _, compressed = data.partition(b"\n")
        try:
            fields = json.loads(header)
            return cls(fields["records"], fields["truncated"], compressed)
        except (KeyError, TypeError):
            raise ValueError("the answer has no header") from None


async def gather(export: Export, user_id: UUID, limits: Limits = LIMITS) -> Answer:
    """Return the records of a user, up to the limits. Raises ValueError for a repeated kind."""
    writer = _Writer(limits)
    async with aclosing(export(user_id)) as pages:
        async for records in pages:
            writer.begin(records.kind)
            if not all(writer.add(record) for record in records.page):
                break
    return writer.finish()


class _Writer:
    """Writes the JSON object of an answer. Only its compressed form is in memory as a whole."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # The fastest level; it compresses tweets to less than half.
        self._compressor = zlib.compressobj(1)
        self._compressed = bytearray()
        self._kinds: list[str] = []
        self._separator = b""
        self._records = 0
        self._size = 0
        self._truncated = False

    def begin(self, kind: str) -> None:
        """Begin the array of a kind, unless it is the current one."""
        if self._kinds and self._kinds[-1] == kind:
            return
        if kind in self._kinds:
            raise ValueError(f"the pages of {kind} do not follow one another")
        self._write(b"]," if self._kinds else b"{", orjson.dumps(kind), b":[")
        self._kinds.append(kind)
        self._separator = b""

    def add(self, record: Record) -> bool:
        """Write a record. Returns False, and writes nothing, if it exceeds the limits."""
        text = orjson.dumps(record, _plain, orjson.OPT_UTC_Z)
        size = self._size + len(text)
        if self._records == self._limits.records or size > self._limits.size:
            self._truncated = True
            return False
        self._write(self._separator, text)
        self._separator = b","
        self._records += 1
        self._size = size
        return True

    def finish(self) -> Answer:
        self._write(b"]}" if self._kinds else b"{}")
        self._compressed += self._compressor.flush()
        return Answer(self._records, self._truncated, bytes(self._compressed))

    def _write(self, *parts: bytes) -> None:
        for part in parts:
            self._compressed += self._compressor.compress(part)


def _plain(value: object) -> str:
    """Return the JSON form of a UUID of asyncpg, which orjson does not know."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a record holds a {type(value).__name__}")
