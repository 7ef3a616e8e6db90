"""A faster serializer for Strawberry's `DateTime`, with the same output."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.types.base_scalars import DateTimeDefinition


def date_time(value: datetime) -> str:
    """Return `value.isoformat()`, faster for times in UTC (docs/performance.md)."""
    if type(value) is datetime and value.tzinfo is UTC:
        return orjson.dumps(value)[1:-1].decode()
    return value.isoformat()


CONFIG = StrawberryConfig(
    scalar_map={datetime: replace(DateTimeDefinition, serialize=date_time)},
)
