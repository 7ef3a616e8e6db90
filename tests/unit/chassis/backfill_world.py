"""An owner, its stream and a service that backfills; a test chooses the order of their steps."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chassis.backfill import Backfill, Page, Progress
from chassis.events import Event

IDS = range(1, 6)
STREAM = "events.owner"
_SETTLING = 10  # turns of the loop: more than any chain of wake-ups has


def event(subject: int, value: int | None) -> Event:
    """Sets the value of a subject; None deletes it."""
    return Event(
        id=UUID(int=subject),
        source="/owner",
        type="set",
        subject=str(subject),
        time=datetime(2026, 11, 1, tzinfo=UTC),
        data={"value": value},
    )


class Steps:
    """Steps that wait here until the test lets them continue."""

    def __init__(self) -> None:
        self.parked: list[asyncio.Future[None]] = []

    async def step(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self.parked.append(future)
        await future

    async def resume(self, index: int) -> None:
        self.parked = [future for future in self.parked if not future.done()]
        if self.parked:
            self.parked.pop(index % len(self.parked)).set_result(None)
        await settle()


async def settle() -> None:
    for _ in range(_SETTLING):
        await asyncio.sleep(0)


class Store:
    """The progress, and a fair lock that handlers share and a page holds exclusively."""

    def __init__(self, *, locks: bool) -> None:
        self.kept = Progress("owner")
        self._locks = locks
        self._waiting: list[tuple[bool, asyncio.Future[None]]] = []
        self._shared = 0
        self._alone = False

    @asynccontextmanager
    async def handling(self) -> AsyncIterator[None]:
        if not self._locks:
            yield
            return
        await self._acquire(shared=True)
        try:
            yield
        finally:
            self._shared -= 1
            self._wake()

    @asynccontextmanager
    async def applying(self) -> AsyncIterator["Change"]:
        await self._acquire(shared=False)
        change = Change(self.kept)
        try:
            yield change
            self.kept = change.progress
        finally:
            self._alone = False
            self._wake()

    async def get(self, owner: str) -> Progress:
        return self.kept

    async def _acquire(self, *, shared: bool) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((shared, future))
        self._wake()
        try:
            await future
        except asyncio.CancelledError:
            if future.cancelled():
                self._waiting = [(s, f) for s, f in self._waiting if f is not future]
            else:  # it was granted in the same moment
                self._shared -= shared
                self._alone = self._alone and shared
            self._wake()
            raise

    def _wake(self) -> None:
        while self._waiting:
            shared, future = self._waiting[0]
            if self._alone or (self._shared and not shared):
                return
            self._waiting.pop(0)
            if future.cancelled():
                continue
            self._shared += shared
            self._alone = not shared
            future.set_result(None)


class Change:
    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    async def get(self, owner: str) -> Progress:
        return self.progress

    async def save(self, progress: Progress) -> None:
        self.progress = progress

    async def check(self) -> None: ...


class World:
    """`state` is the owner's; `copy` is the consumer's, whose handler remembers no deletions.

    So applying a page that is older than a handled event leaves a permanent error in the copy. The
    owner remembers deletions, because a consumer that missed events cannot learn them otherwise.
    """

    name = "owner"
    stream = STREAM

    def __init__(self, *, kept: int, locks: bool = True) -> None:
        """`kept`: entries that the stream still has when the group is created."""
        self.steps = Steps()
        self.store = Store(locks=locks)
        self.state: dict[int, int] = {}
        self._deleted: set[int] = set()
        self.copy: dict[int, int] = {}
        self._version = 0
        self._kept = kept
        self._unpublished: list[Event] = []
        self._published: list[Event] = []
        self._queue: list[Event] | None = None
        self._was_there = False
        self._backfills = [self._backfill(), self._backfill()]
        self._tasks: dict[Callable[[], Coroutine[Any, Any, None]], asyncio.Task[None]] = {}
        self._work = (self._consume, self._fill_first, self._fill_second)

    # -- the owner -------------------------------------------------------------------------------

    def change(self, subject: int) -> None:
        self._version += 1
        self.state[subject] = self._version
        self._deleted.discard(subject)
        self._unpublished.append(event(subject, self._version))

    def delete(self, subject: int) -> None:
        if self.state.pop(subject, None) is not None:
            self._deleted.add(subject)
            self._unpublished.append(event(subject, None))

    def publish(self) -> None:
        if self._unpublished:
            each = self._unpublished.pop(0)
            self._published.append(each)
            if self._queue is not None:
                self._queue.append(each)

    async def page(self, after: str | None, limit: int) -> Page:
        await self.steps.step()
        known: dict[int, int | None] = {**self.state, **dict.fromkeys(self._deleted)}
        rows = [(each, known[each]) for each in sorted(known) if each > int(after or 0)][:limit]
        await self.steps.step()
        cursor = str(rows[-1][0]) if len(rows) == limit else None
        return Page([event(subject, value).to_json() for subject, value in rows], cursor)

    # -- the consumer ----------------------------------------------------------------------------

    async def _join(self, _: str) -> bool:
        if self._queue is not None:
            return False
        self._queue = self._published[len(self._published) - self._kept :] if self._kept else []
        self._was_there = True
        return True

    async def _handle(self, each: Event) -> None:
        await self.steps.step()
        value = each.data["value"]
        if value is None:
            self.copy.pop(int(each.subject), None)
        else:
            self.copy[int(each.subject)] = value
        await self.steps.step()

    async def _consume(self) -> None:
        backfill = self._backfills[0]
        while True:
            if self._queue is None:
                if self._was_there:
                    await backfill.missed(STREAM)
                await self._join(STREAM)
            queue = self._queue
            if queue:
                await backfill.handle(queue[0])
                queue.pop(0)  # acknowledged
            else:
                await self.steps.step()

    async def _fill_first(self) -> None:
        await self._fill(self._backfills[0])

    async def _fill_second(self) -> None:
        await self._fill(self._backfills[1])

    async def _fill(self, backfill: Backfill) -> None:
        while True:
            if self.store.kept.finished:
                await self.steps.step()
            else:
                await backfill.run("owner", lambda _: None)

    def _backfill(self) -> Backfill:
        return Backfill(
            [self],
            self.store,
            join=self._join,
            handle=self._handle,
            reject=_refuse,
            page_size=2,
        )

    # -- what a test does with it ----------------------------------------------------------------

    def lose_group(self) -> None:
        self._queue = None

    async def again(self) -> None:
        """Request the backfill again, concurrently with everything else."""
        task = asyncio.ensure_future(self._backfills[1].again("owner"))
        self._tasks[lambda: self._backfills[1].again("owner")] = task
        await settle()

    async def kill(self, number: int) -> None:
        """Cancel one of the consumer's tasks, which starts again."""
        work = self._work[number % len(self._work)]
        if task := self._tasks.pop(work, None):
            task.cancel()
            await settle()
        await self.start()

    async def start(self) -> None:
        for work in self._work:
            if work not in self._tasks:
                self._tasks[work] = asyncio.ensure_future(work())
        await settle()

    async def end(self) -> None:
        """Publish, apply and handle everything, then stop."""
        while self._unpublished:
            self.publish()
        quiet = 0
        while quiet < 10:
            await self.steps.resume(0)
            quiet = quiet + 1 if self.store.kept.finished and self._queue == [] else 0
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


async def _refuse(_: str, reason: str) -> None:
    raise AssertionError(reason)
