"""Backfill: a service that starts late asks the owners of events for their current state.

An owner serves its state as the events that it would have published for it, with the same ids, page
by page (`snapshot`). A consumer applies the pages through the handler that it has for the stream
(`runner`) and remembers in its own database how far it got (`progress`). See docs/adr/0018.
"""

from chassis.backfill.progress import SCHEMA, BackfillTable, Progress, finished_row
from chassis.backfill.runner import Backfill
from chassis.backfill.snapshot import (
    PATH,
    HttpOwner,
    Owner,
    OwnerUnavailableError,
    Page,
    ReadPage,
    by_id,
    snapshot_route,
)
from chassis.backfill.wiring import backfill_from

__all__ = [
    "PATH",
    "SCHEMA",
    "Backfill",
    "BackfillTable",
    "HttpOwner",
    "Owner",
    "OwnerUnavailableError",
    "Page",
    "Progress",
    "ReadPage",
    "backfill_from",
    "by_id",
    "finished_row",
    "snapshot_route",
]
