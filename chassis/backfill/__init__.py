"""Backfill: a service that starts late fetches the current state of the services it consumes.

An owner serves its state page by page as the events that it would have published, with the same ids
(`snapshot`). A consumer applies the pages with the handler that it has for the stream (`runner`)
and stores its progress in its own database (`progress`). See docs/adr/0018.
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
