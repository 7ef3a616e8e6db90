"""Fakes of the ports that every service has, without I/O."""

import json
from collections.abc import Awaitable, Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Generic, TypeVar
from uuid import UUID

from chassis.events import Event
from chassis.exports.records import Export, gather

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class FakeEventOutbox:
    events: list[Event] = field(default_factory=list)

    async def add(self, event: Event) -> None:
        self.events.append(Event.from_json(event.to_json()))


@dataclass
class FakeUnitOfWork(Generic[R]):
    """Implements `chassis.ports.UnitOfWork` on fake repositories."""

    repositories: R
    reads: int = 0

    async def transaction(self, work: Callable[[R], Awaitable[T]]) -> T:
        # Run twice, as after a rollback by the server: the first run must leave no effects.
        await work(deepcopy(self.repositories))
        changed = deepcopy(self.repositories)
        result = await work(changed)
        self.repositories = changed
        return result

    async def read(self, work: Callable[[R], Awaitable[T]]) -> T:
        self.reads += 1
        return await work(self.repositories)


async def exported(export: Export, user_id: UUID) -> Any:
    """Return the records of a user by kind, as their export holds them."""
    return json.loads((await gather(export, user_id)).text)


def counting_ids() -> Callable[[], UUID]:
    """Return a function that generates the ids 1, 2, 3, …"""
    ids = count(1)
    return lambda: UUID(int=next(ids))


def ticking_clock() -> Callable[[], datetime]:
    """Return a clock that starts in 2026 and advances by one second at each call."""
    seconds = count()
    return lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(seconds))
