"""Runs use cases concurrently, with their statements in an order that a test chooses."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from chassis.database import Connection, Database
from chassis.ports import T
from subgraphs.tweets.repository import SqlRepositories
from subgraphs.tweets.service import TweetService
from tests.unit.tweets.fakes import Work
from tests.unit.tweets.service_suite import ProcessDied

UseCase = Callable[[TweetService], Awaitable[object]]


class _Gate:
    """Stops a use case before each of its statements, and before it commits."""

    def __init__(self) -> None:
        self.is_waiting = False
        self.is_dead = False
        self._permits = asyncio.Semaphore(0)

    async def wait(self) -> None:
        self.is_waiting = True
        await self._permits.acquire()
        if self.is_dead:
            raise ProcessDied

    def open(self, times: int = 1) -> None:
        self.is_waiting = False
        for _ in range(times):
            self._permits.release()


@dataclass
class _SteppedConnection:
    connection: Connection
    gate: _Gate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.connection, name)

        async def stepped(*arguments: Any) -> Any:
            await self.gate.wait()
            return await method(*arguments)

        return stepped


@dataclass
class _SteppedUnitOfWork:
    database: Database
    gate: _Gate

    async def transaction(self, work: Work[T]) -> T:
        async def run(connection: Connection) -> T:
            stepped = cast("Connection", _SteppedConnection(connection, self.gate))
            result = await work(SqlRepositories.on(stepped))
            await self.gate.wait()
            return result

        return await self.database.transaction(run)

    async def read(self, work: Work[T]) -> T:
        return await self.database.read(lambda c: work(SqlRepositories.on(c)))


async def interleaved(
    database: Database,
    service: TweetService,
    use_cases: Sequence[UseCase],
    order: Sequence[int],
    *,
    killed: int | None = None,
) -> list[object]:
    """Run the use cases; return what each returned or raised.

    `order` holds, for each step, the use case that executes its next statement; one that waits for
    a lock or has ended is skipped. After the last step all run freely, except the one that is
    `killed` there: it raises ProcessDied, and its open transaction is rolled back.
    """
    gates = [_Gate() for _ in use_cases]
    tasks = [
        asyncio.ensure_future(
            use_case(replace(service, unit_of_work=_SteppedUnitOfWork(database, gate)))
        )
        for use_case, gate in zip(use_cases, gates, strict=True)
    ]
    for gate, task in zip(gates, tasks, strict=True):
        await _settled(database, gate, task, blocked=0)
    for turn in order:
        gate, task = gates[turn], tasks[turn]
        if gate.is_waiting:
            running = sum(not (g.is_waiting or t.done()) for g, t in zip(gates, tasks, strict=True))
            gate.open()
            await _settled(database, gate, task, blocked=running)
    if killed is not None:
        gates[killed].is_dead = True
    for gate in gates:
        gate.open(times=10_000)
    return await asyncio.gather(*tasks, return_exceptions=True)


async def _settled(
    database: Database, gate: _Gate, task: "asyncio.Future[object]", *, blocked: int
) -> None:
    """Return when the task is at its gate, has ended, or is blocked beside `blocked` others."""
    async with asyncio.timeout(20):
        while not (gate.is_waiting or task.done()):
            await asyncio.sleep(0.001)
            if await _waiting(database) > blocked:
                return


async def _waiting(database: Database) -> int:
    statement = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
    """
    return int(await database.read(lambda connection: connection.fetch_val(statement)))
