"""Applies the state of the owners to a service that starts late, while it follows their streams.

Correct under concurrent writes: the consumer group is created before the first page is read, and
no event of a stream is handled between the moment at which a page is read and its last event. So
what was handled before is part of the page, and everything else is handled after it.
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

AWAY: tuple[type[Exception], ...] = (*INFRASTRUCTURE, OwnerUnavailableError)
"""What a backfill raises while something that it needs is away."""

_POLL = 60.0
"""Seconds between looks for a backfill that another process was asked for and did not finish."""

_log = structlog.get_logger("chassis.backfill")


class Backfill:
    """The backfill of one service; every replica has one, and they take turns page by page.

    `handle` is the consumer's handler. Give the stream's consumer `self.handle` instead, which
    keeps the order. It bears repetition and disorder, as it must for a stream. An event that it
    cannot handle goes to `reject`, with the reason, and the backfill goes on.
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
        """Begin again, because events of this stream may have been missed."""
        owners = [owner for owner in self._owners.values() if owner.stream == stream]
        for owner in owners:
            _log.warning("consumer group missing: backfill begins again", owner=owner.name)
            await self.again(owner.name)
        if not owners:
            _log.warning("consumer group missing: events may have been missed", stream=stream)

    async def again(self, owner: str) -> None:
        """Begin again from the first page, whatever has been applied."""
        async with self._store.applying() as state:
            await state.save(Progress(owner))
        self._wanted[owner].set()

    async def progress(self, owner: str) -> Progress:
        return await self._store.get(owner)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Backfill while the block runs what is not finished, whatever is away."""
        async with running(*map(self._follow, self._owners.values())):
            yield

    async def run(self, owner: str, report: Callable[[Progress], None]) -> None:
        """Apply all that is left from one owner; `report` gets the progress after each page.

        Raises one of AWAY. What has been applied by then is not applied again.
        """
        while not (progress := await self._step(self._owners[owner])).finished:
            report(progress)
        report(progress)

    async def _follow(self, owner: Owner) -> None:
        outage = Backoff("backfill", owner=owner.name)

        async def follow() -> None:
            while True:
                self._wanted[owner.name].clear()
                if not (await self._store.get(owner.name)).finished:
                    # Outside the lock: an owner that does not answer must not hold up the stream.
                    await owner.page(None, 1)
                    while not (await self._step(owner)).finished:
                        outage.reset()
                outage.reset()
                try:
                    async with asyncio.timeout(_POLL):
                        await self._wanted[owner.name].wait()
                except TimeoutError:
                    continue

        await outage.retry_forever(follow, AWAY)

    async def _step(self, owner: Owner) -> Progress:
        """Apply one page, or find that there is none left. Returns the progress."""
        # One at a time in a process, or each owner would hold a connection while it waits.
        async with self._turn, self._store.applying() as state:
            progress = await state.get(owner.name)
            if progress.finished:
                return progress
            if await self._join(owner.stream) and progress.cursor is not None:
                # What was published while the group was missing may be behind the cursor.
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
        # Not after the lock is lost: an event of the stream may have been handled since.
        await state.check()
        try:
            await self._handle(Event.from_json(text))
        except MalformedEventError as error:
            await self._reject(text, f"malformed: {error}")
        except INFRASTRUCTURE:
            raise
        except Exception as error:
            _log.exception("an event of a backfill was not handled")
            await self._reject(text, f"{type(error).__name__}: {error}")
