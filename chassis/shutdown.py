"""The two steps of a graceful shutdown, and the ASGI middleware that takes part in it."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Shutdown:
    """The state of a process's shutdown, which has two steps.

    First it is announced: the process reports that it is not ready, so load balancers send new
    connections elsewhere. Then it begins: open streams are closed, and their clients reconnect to
    another process.
    """

    def __init__(self) -> None:
        self._announced = asyncio.Event()
        self._begun = asyncio.Event()
        self._is_crash = False

    @property
    def is_announced(self) -> bool:
        return self._announced.is_set()

    @property
    def is_crash(self) -> bool:
        """Whether the process stops because its background work has crashed."""
        return self._is_crash

    def announce(self) -> None:
        self._announced.set()

    def begin(self) -> None:
        self._announced.set()
        self._begun.set()

    def crash(self) -> None:
        """Ask the server to stop."""
        self._is_crash = True

    async def announced(self) -> None:
        """Return when the process should get no new connections."""
        await self._announced.wait()

    async def begun(self) -> None:
        """Return when open connections should be closed."""
        await self._begun.wait()


class Draining:
    """ASGI middleware: once a shutdown is announced, every response closes its connection.

    The server is about to close idle connections. A client that sends a request on such a
    connection at that moment cannot know whether the request was read.
    """

    def __init__(self, app: ASGIApp, shutdown: Shutdown) -> None:
        self._app = app
        self._shutdown = shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Message) -> None:
            # Checked when the response starts: the shutdown may be announced after the request.
            if message["type"] == "http.response.start" and self._shutdown.is_announced:
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, closing if scope["type"] == "http" else send)


class StopOnCrash:
    """ASGI middleware: stops the server when background work of the application crashes.

    The crash cancels the lifespan (chassis/background.py). The lifespan is held back until the
    server has answered the requests that it has, as in any shutdown; then its resources are closed.
    """

    def __init__(self, app: ASGIApp, shutdown: Shutdown) -> None:
        self._app = app
        self._shutdown = shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        is_started = False

        async def held() -> Message:
            try:
                return await receive()
            except asyncio.CancelledError:
                if is_started and not self._shutdown.is_announced:
                    self._shutdown.crash()
                    await receive()
                raise

        async def send_masked(message: Message) -> None:
            nonlocal is_started
            is_started = is_started or message["type"] == "lifespan.startup.complete"
            if self._shutdown.is_crash and "message" in message:
                # The traceback, which is in the log since the crash.
                message = {"type": message["type"]}
            await send(message)

        await self._app(scope, held, send_masked)
