"""Units of work on PostgreSQL, for the repositories of any service."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from chassis.database import Connection, Database
from chassis.outbox import SqlEventOutbox

T = TypeVar("T")
R = TypeVar("R")


class SqlUnitOfWork(Generic[R]):
    """Implements `chassis.ports.UnitOfWork`."""

    __slots__ = ("_database", "_repositories", "_wake")

    def __init__(
        self,
        database: Database,
        repositories: Callable[[Connection], R],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """`repositories` builds the repositories of one unit of work.

        `wake` runs after the commit of a transaction that wrote to the outbox, which the
        repositories hold as `events`. `OutboxRelay.wake` publishes the events at once; without it
        they wait for the next look of a relay, a second at most.
        """
        self._database = database
        self._repositories = repositories
        self._wake = wake

    async def transaction(self, work: Callable[[R], Awaitable[T]]) -> T:
        return await self._written(self._database.transaction, work)

    async def statement(self, work: Callable[[R], Awaitable[T]]) -> T:
        """Run `work`, a single statement, which commits by itself: two round trips less.

        A second statement raises RuntimeError and is not sent.
        """
        return await self._written(self._database.statement, work)

    async def read(self, work: Callable[[R], Awaitable[T]]) -> T:
        return await self._database.read(lambda connection: work(self._repositories(connection)))

    async def _written(
        self, run: Callable[..., Awaitable[tuple[T, bool]]], work: Callable[[R], Awaitable[T]]
    ) -> T:
        async def on_connection(connection: Connection) -> tuple[T, bool]:
            repositories = self._repositories(connection)
            result = await work(repositories)
            events = getattr(repositories, "events", None)
            return result, isinstance(events, SqlEventOutbox) and events.written

        result, written = await run(on_connection)
        if written:
            self._wake()
        return result
