"""Builds the backfill of a service from its settings."""

from collections.abc import Awaitable, Callable, Collection
from functools import partial

from redis.asyncio import Redis

from chassis.backfill.progress import BackfillTable
from chassis.backfill.runner import Backfill
from chassis.backfill.snapshot import HttpOwner
from chassis.consumer_groups import join
from chassis.database import Database
from chassis.events import Event
from chassis.settings import ServiceSettings
from chassis.topology import declared


def backfill_from(
    owners: Collection[str],
    settings: ServiceSettings,
    database: Database,
    redis: Redis,
    *,
    group: str,
    handle: Callable[[Event], Awaitable[None]],
    reject: Callable[[str, str], Awaitable[None]],
) -> Backfill:
    """Return the backfill from `owners`, some of the services whose events are consumed.

    Leave out an owner of which only future events matter.
    """
    urls, secret = settings.owner_urls, settings.router_secret
    return Backfill(
        [HttpOwner(name, declared()[name].stream, urls[name], secret) for name in owners],
        BackfillTable(database),
        join=partial(_join, redis, group),
        handle=handle,
        reject=reject,
    )


async def _join(redis: Redis, group: str, stream: str) -> bool:
    return await join(redis, stream, group, _ignore)


async def _ignore() -> None:
    """Do nothing: a backfill that finds its group missing starts again by itself."""
