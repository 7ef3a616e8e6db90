"""What a process knows of its own end, in two steps."""

import asyncio


class Shutdown:
    """First the process is no longer ready, so that nobody new is sent to it; then it lets go.

    Whoever holds a connection open waits for the second step and tells the other side to come
    back: by then that leads to another process.
    """

    def __init__(self) -> None:
        self._announced = asyncio.Event()
        self._begun = asyncio.Event()

    @property
    def is_announced(self) -> bool:
        return self._announced.is_set()

    def announce(self) -> None:
        self._announced.set()

    def begin(self) -> None:
        self._announced.set()
        self._begun.set()

    async def announced(self) -> None:
        """Returns when nobody new is to be sent to this process."""
        await self._announced.wait()

    async def begun(self) -> None:
        """Returns when open connections are to be let go."""
        await self._begun.wait()
