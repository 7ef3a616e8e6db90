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
    """Return the backfill of the events of `owners`, which are names of services.

    Leave out a service of which only future events matter. `group` is the consumer group of the
    streams. `handle` and `reject(text, reason)` as for Backfill.
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
    async def missed() -> None:
        """Do nothing: Backfill starts again by itself when `join` has created the group."""

    return await join(redis, stream, group, missed)
