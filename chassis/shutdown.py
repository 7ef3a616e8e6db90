"""What a process knows of its own end, in two steps."""

import asyncio


class Shutdown:
    """First the process is no longer ready, so that nobody new is sent to it; then it lets go.

    Whoever holds a connection open waits for the second step and tells the other side to come
    back: by then that leads to another process.
    """

    def __init__(self) -> None:
        self.is_announced = False
        self._begun = asyncio.Event()

    def announce(self) -> None:
        self.is_announced = True

    def begin(self) -> None:
        self.is_announced = True
        self._begun.set()

    async def begun(self) -> None:
        """Returns when open connections are to be let go."""
        await self._begun.wait()
