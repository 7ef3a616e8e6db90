"""Background work: it runs while a block does, retries after outages, and surfaces its crashes."""

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

    A coroutine that raises is logged at once, cancels the block and the other coroutines, and the
    exception leaves the block. A coroutine may return early.
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
    # Raised here, because inside the handler Python would overwrite the context of the exception.
    if failure:
        raise failure


def _log_crash(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        name = getattr(task.get_coro(), "__qualname__", "")
        _log.error("background work crashed", work=name, exc_info=error)


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel the tasks until they end, even if this call is itself cancelled meanwhile."""
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
        """`work` and `fields` are logged: what does not happen during an outage. `longest` is the
        longest wait in seconds."""
        self._fields = {"work": work, **fields}
        self._longest = longest
        self._failures = 0

    async def retry_forever(
        self, work: Callable[[], Awaitable[None]], outages: tuple[type[Exception], ...]
    ) -> None:
        """Run `work` again whenever it ends, after a wait when it raised.

        An exception that is not one of `outages` is a bug: it is logged with its traceback, and
        `work` is retried all the same.
        """
        while True:
            try:
                await work()
            except outages as error:
                await self.wait(error)
            except Exception as error:
                _log.exception("background work failed", **self._fields)
                await self.wait(error)

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
