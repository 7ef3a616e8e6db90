"""Background work beside an `async with` block: retried after outages; a crash ends the block."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

_FIRST_WAIT = 0.05
_LONGEST_WAIT = 5.0
_log = structlog.get_logger("chassis.background")


@asynccontextmanager
async def running(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run each coroutine while the block runs, cancel it at the end, and wait until it has ended.

    If a coroutine raises, the exception is logged at once, the block and the other coroutines are
    cancelled, and the `async with` raises the exception (an exception group if several raised). A
    coroutine may return early.
    """
    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            tasks = {group.create_task(each) for each in work}
            for task in tasks:
                task.add_done_callback(_log_crash)
            try:
                yield
            finally:
                await _cancel(tasks)
    except BaseExceptionGroup as failures:
        failure = failures.exceptions[0] if len(failures.exceptions) == 1 else failures
    # Raised outside the handler: inside it, Python would set `__context__` to the group.
    if failure:
        raise failure


def _log_crash(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        name = getattr(task.get_coro(), "__qualname__", "")
        _log.error("background work crashed", work=name, exc_info=error)


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel the tasks again and again until all have ended, even if this call is cancelled."""
    cancelled: asyncio.CancelledError | None = None
    while pending := {task for task in tasks if not task.done()}:
        for task in pending:
            # Repeated: redis-py loses a cancellation that coincides with its own time-out.
            task.cancel()
        try:
            await asyncio.wait(pending, timeout=0.1)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled:
        raise cancelled


class Backoff:
    """Exponential backoff; logs once when an outage starts and once when it ends."""

    def __init__(self, work: str, *, longest: float = _LONGEST_WAIT, **fields: object) -> None:
        """`work` names, in the log, what stops during an outage; `fields` are further log fields.

        `longest` is the longest wait in seconds.
        """
        self._fields = {"work": work, **fields}
        self._longest = longest
        self._failures = 0

    async def retry_forever(
        self, work: Callable[[], Awaitable[None]], outages: tuple[type[Exception], ...]
    ) -> None:
        """Run `work` without end: at once again if it returned, after a wait if it raised.

        `work` must call `reset` when it succeeds. Otherwise the waits keep growing and the end of
        an outage is not logged. An exception that is not one of `outages` is a bug: its traceback
        is logged too, and `work` is retried all the same.
        """
        while True:
            try:
                await work()
            except outages as error:
                await self.wait(error)
            except Exception as error:
                _log.exception("background work failed", **self._fields)
                await self.wait(error)

    async def until_success(
        self, work: Callable[[], Awaitable[object]], outages: tuple[type[Exception], ...]
    ) -> None:
        """Run `work` until it succeeds, with a wait after each of `outages`. Raises the others."""
        while True:
            try:
                await work()
            except outages as error:
                await self.wait(error)
            else:
                self.reset()
                return

    async def repeat(self, work: Callable[[], Awaitable[object]], every: float) -> None:
        """Run `work` again and again, `every` seconds after its last end.

        After an exception, which counts as an outage, there is a wait before these seconds.
        """
        while True:
            await asyncio.sleep(every)
            try:
                await work()
            except Exception as error:
                await self.wait(error)
            else:
                self.reset()

    async def wait(self, error: Exception) -> None:
        """Wait before the next attempt, longer after each call until `reset`."""
        wait = min(self._longest, _FIRST_WAIT * 2**self._failures)
        if not self._failures:
            reason = f"{type(error).__name__}: {error}"
            _log.warning("outage started", reason=reason, **self._fields)
        self._failures = min(self._failures + 1, 10)
        await asyncio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311

    def reset(self) -> None:
        """Record that the work succeeded: the outage, if there was one, has ended."""
        if self._failures:
            _log.info("outage ended", **self._fields)
        self._failures = 0
