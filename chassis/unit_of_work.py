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

        `wake` is called after the commit of a transaction that wrote to the outbox, the attribute
        `events` of the repositories. `OutboxRelay.wake` publishes the events at once; without it
        they wait for the next poll of a relay, at most a second.
        """
        self._database = database
        self._repositories = repositories
        self._wake = wake

    async def transaction(self, work: Callable[[R], Awaitable[T]]) -> T:
        return await self._run(self._database.transaction, work)

    async def statement(self, work: Callable[[R], Awaitable[T]]) -> T:
        """Run `work`, a single statement, without BEGIN and COMMIT: two round trips less.

        A second statement raises RuntimeError and is not sent.
        """
        return await self._run(self._database.statement, work)

    async def read(self, work: Callable[[R], Awaitable[T]]) -> T:
        return await self._database.read(lambda connection: work(self._repositories(connection)))

    async def _run(
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
