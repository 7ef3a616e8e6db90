"""What a process knows of its own end, in two steps."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


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


class Draining:
    """ASGI middleware: from the first step on, each answer asks to close its connection.

    A connection that is kept would be closed while the next request is on its way, and whoever
    sent that could not know whether it was read.
    """

    def __init__(self, app: ASGIApp, shutdown: Shutdown) -> None:
        self._app = app
        self._shutdown = shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Message) -> None:
            # Asked when the answer begins, not when the request did.
            if message["type"] == "http.response.start" and self._shutdown.is_announced:
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, closing if scope["type"] == "http" else send)
