"""Scalars of Strawberry's that are written in less time, to the same text."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.types.base_scalars import DateTimeDefinition


def date_time(value: datetime) -> str:
    """As `isoformat`, which takes four times as long where there is an offset."""
    if type(value) is datetime and value.tzinfo is UTC:
        return orjson.dumps(value)[1:-1].decode()
    return value.isoformat()


CONFIG = StrawberryConfig(
    scalar_map={datetime: replace(DateTimeDefinition, serialize=date_time)},
)
