"""Work beside the requests: it runs while a block does, and waits out what is away."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 5.0
_log = structlog.get_logger("chassis.background")


@asynccontextmanager
async def running(coroutine: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs `coroutine` while the block does, and leaves only when it has ended.

    What it raises, it raises here at the end of the block.
    """
    task = asyncio.create_task(coroutine)
    try:
        yield
    finally:
        interrupted: asyncio.CancelledError | None = None
        # Cancelled until it ends: redis-py loses a cancellation that meets its own time-out.
        while not task.done():
            task.cancel()
            try:
                await asyncio.wait({task}, timeout=0.1)
            except asyncio.CancelledError as cancelled:
                interrupted = cancelled
        if interrupted:
            raise interrupted
        if not task.cancelled() and (error := task.exception()):
            raise error


class Backoff:
    """Growing pauses while something is away; the log tells once that it went and once it came."""

    def __init__(self, what: str, *, longest: float = _LONGEST_PAUSE) -> None:
        """`what` is what cannot be done meanwhile, `longest` the seconds of the longest pause."""
        self._what = what
        self._longest = longest
        self._pauses = 0

    async def outlast(
        self, work: Callable[[], Awaitable[None]], away: tuple[type[Exception], ...]
    ) -> None:
        """Begins `work` again whenever it ends, after a pause when it failed.

        What is none of `away` is logged whole: it is our own fault, and work goes on all the same.
        """
        while True:
            try:
                await work()
            except away as error:
                await self.pause(error)
            except Exception as error:
                _log.exception(f"{self._what}: failed")
                await self.pause(error)

    async def pause(self, error: Exception) -> None:
        if not self._pauses:
            _log.warning(f"{self._what}: interrupted", reason=f"{type(error).__name__}: {error}")
        pause = min(self._longest, _FIRST_PAUSE * 2**self._pauses)
        self._pauses = min(self._pauses + 1, 10)
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311

    def over(self) -> None:
        if self._pauses:
            _log.info(f"{self._what}: goes on")
        self._pauses = 0
