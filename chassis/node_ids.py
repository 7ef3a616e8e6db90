"""Ids that name the type of their object, so that `node(id)` knows the subgraph to ask (ADR 32).

Such an id is a UUID of version 8 that is time-ordered like one of version 7. Its last 12 bits are a
digest of the type's name. Ids of earlier releases are of version 7 and name no type.
"""

import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

_VERSION_BITS = 0xF << 76
_VERSION = 8 << 76
_TAG_BITS = 0xFFF


def tag_of(type_name: str) -> int:
    """Return the bits that stand for a type."""
    return zlib.crc32(type_name.encode()) & _TAG_BITS


def naming(type_name: str, new_id: Callable[[], UUID]) -> Callable[[], UUID]:
    """Return a function that makes ids of a type; `new_id` makes UUIDs of version 7."""
    fixed = _VERSION | tag_of(type_name)

    def new_named_id() -> UUID:
        return UUID(int=new_id().int & ~(_VERSION_BITS | _TAG_BITS) | fixed)

    return new_named_id


def time_of(id: UUID) -> datetime | None:
    """Return when an id was made, to the millisecond; None for one without a time."""
    return datetime.fromtimestamp((id.int >> 80) / 1000, UTC) if id.version in {7, 8} else None


def tag_in(id: UUID) -> int | None:
    """Return the bits that stand for the type of an id, or None if it names none."""
    return id.int & _TAG_BITS if id.version == 8 else None
