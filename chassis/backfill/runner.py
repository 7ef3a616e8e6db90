"""Applies the state of the owners to a service that starts late, while it consumes their streams.

Correct under concurrent writes: the consumer group is created before the first page is read, and no
event of a stream is handled from the moment a page is read until its last event is applied. So
every event that was handled before is part of the page, and every other event is handled after it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog

from chassis.backfill.progress import Progress, ProgressChange, ProgressStore
from chassis.backfill.snapshot import Owner, OwnerUnavailableError
from chassis.background import Backoff, running
from chassis.events import Event, MalformedEventError
from chassis.streams import INFRASTRUCTURE

OUTAGES: tuple[type[Exception], ...] = (*INFRASTRUCTURE, OwnerUnavailableError)
"""The exceptions of a backfill during an outage."""

_POLL = 60.0
"""Seconds between checks for an unfinished backfill that another process has requested."""

_log = structlog.get_logger("chassis.backfill")


class Backfill:
    """The backfill of one service; every replica has one, and they take turns page by page.

    `handle` is the consumer's handler, which must be idempotent and tolerate disorder, as for a
    stream. The stream's consumer must call `self.handle` instead, which keeps the order. An event
    whose handler fails goes to `reject(text, reason)`, and the backfill continues.
    """

    def __init__(
        self,
        owners: Sequence[Owner],
        store: ProgressStore,
        *,
        join: Callable[[str], Awaitable[bool]],
        handle: Callable[[Event], Awaitable[None]],
        reject: Callable[[str, str], Awaitable[None]],
        page_size: int = 100,
    ) -> None:
        """`join` creates the consumer group on a stream and returns whether it was missing."""
        self._owners: Mapping[str, Owner] = {owner.name: owner for owner in owners}
        self._store = store
        self._join = join
        self._handle = handle
        self._reject = reject
        self._page_size = page_size
        self._turn = asyncio.Lock()
        self._wanted = {name: asyncio.Event() for name in self._owners}

    @property
    def owners(self) -> Collection[str]:
        return self._owners.keys()

    async def handle(self, event: Event) -> None:
        """Handle an event of a stream, in order with the pages. Raises what the handler raises."""
        async with self._store.handling():
            await self._handle(event)

    async def missed(self, stream: str) -> None:
        """Start again, because events of this stream may have been missed."""
        owners = [owner for owner in self._owners.values() if owner.stream == stream]
        for owner in owners:
            _log.warning("consumer group missing", stream=stream, backfill_from=owner.name)
            await self.again(owner.name)
        if not owners:
            _log.warning("consumer group missing", stream=stream)

    async def again(self, owner: str) -> None:
        """Start again from the first page, whatever has been applied."""
        async with self._store.applying() as state:
            await state.save(Progress(owner))
        self._wanted[owner].set()

    async def progress(self, owner: str) -> Progress:
        return await self._store.get(owner)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Backfill from every unfinished owner while the block runs; retry after every outage."""
        async with running(*map(self._follow, self._owners.values())):
            yield

    async def run(self, owner: str, report: Callable[[Progress], None]) -> None:
        """Apply all remaining pages of one owner; `report` gets the progress after each page.

        Raises one of OUTAGES. The next call continues after the last applied page.
        """
        while not (progress := await self._step(self._owners[owner])).finished:
            report(progress)
        report(progress)

    async def _follow(self, owner: Owner) -> None:
        backoff = Backoff("backfill", owner=owner.name)

        async def follow() -> None:
            while True:
                self._wanted[owner.name].clear()
                if not (await self._store.get(owner.name)).finished:
                    # Outside the lock: an unavailable owner must not block the stream.
                    await owner.page(None, 1)
                    while not (await self._step(owner)).finished:
                        backoff.reset()
                backoff.reset()
                try:
                    async with asyncio.timeout(_POLL):
                        await self._wanted[owner.name].wait()
                except TimeoutError:
                    continue

        await backoff.retry_forever(follow, OUTAGES)

    async def _step(self, owner: Owner) -> Progress:
        """Apply the next page, if there is one. Returns the progress."""
        # One step at a time in a process: every waiting step holds a connection.
        async with self._turn, self._store.applying() as state:
            progress = await state.get(owner.name)
            if progress.finished:
                return progress
            if await self._join(owner.stream) and progress.cursor is not None:
                # Events published while the group was missing may belong before the cursor.
                progress = Progress(owner.name)
            if progress.cursor is None:
                _log.info("backfill started", owner=owner.name)
            page = await owner.page(progress.cursor, self._page_size)
            for text in page.events:
                await self._apply(text, state)
            progress = progress.after(len(page.events), page.next)
            await state.save(progress)
        if progress.finished:
            _log.info("backfill finished", owner=owner.name, events=progress.events)
        return progress

    async def _apply(self, text: str, state: ProgressChange) -> None:
        # Checked first: once the lock is lost, a newer event of the stream may have been handled.
        await state.check()
        try:
            await self._handle(Event.from_json(text))
        except MalformedEventError as error:
            await self._reject(text, f"malformed: {error}")
        except INFRASTRUCTURE:
            raise
        except Exception as error:
            _log.exception("event handler failed", backfill=True)
            await self._reject(text, f"{type(error).__name__}: {error}")
