"""The ports that the use cases of every service share: the unit of work and the outbox."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from chassis.events import Event

T = TypeVar("T")
Repositories_co = TypeVar("Repositories_co", covariant=True)


class EventOutbox(Protocol):
    async def add(self, event: Event) -> None:
        """Publish the event if and only if the unit of work is committed."""


class UnitOfWork(Protocol[Repositories_co]):
    """Runs use cases on the repositories of one service."""

    async def transaction(self, work: Callable[[Repositories_co], Awaitable[T]]) -> T:
        """Run `work` as one transaction and return its result.

        `work` runs again after a deadlock, so it must have no effects except on the repositories.
        """

    async def read(self, work: Callable[[Repositories_co], Awaitable[T]]) -> T:
        """Run `work` without a transaction: each statement sees the latest committed state."""
