"""Scalars of Strawberry's that are written in less time, as the same text."""

from dataclasses import replace
from datetime import datetime

import orjson
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.types.base_scalars import DateTimeDefinition


def date_time(value: datetime) -> str:
    """As `isoformat`, which takes four times as long where there is an offset."""
    return orjson.dumps(value)[1:-1].decode() if type(value) is datetime else value.isoformat()


CONFIG = StrawberryConfig(
    scalar_map={datetime: replace(DateTimeDefinition, serialize=date_time)},
)
