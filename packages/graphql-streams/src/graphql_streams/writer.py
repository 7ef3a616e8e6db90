"""Sends ASGI messages one after another: at once where possible, and never slower than a limit."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from types import coroutine
from typing import Any

from .interfaces import Message, Send


class ClientLeft(Exception):
    """The connection is closed."""


class SendTimeout(Exception):
    """The client did not read a message in time."""


class Writer:
    """Calls `send` for one message at a time.

    A `send` that does not wait needs neither a task nor a timer. One that waits, because the client
    does not read, has `seconds` to end.
    """

    __slots__ = ("_lock", "_offered", "_seconds", "_send", "_too_slow")

    def __init__(self, send: Send, seconds: float, too_slow: Callable[[], object]) -> None:
        """`too_slow` is called when the client has not read an offered message in time."""
        self._send = send
        self._seconds = seconds
        self._too_slow = too_slow
        self._lock: asyncio.Lock | None = None
        self._offered: asyncio.Task[None] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether a message waits for the client."""
        if self._offered is not None and not self._offered.done():
            return True
        return self._lock is not None and self._lock.locked()

    def offer(self, message: Message) -> bool:
        """Send the message now. Returns False if it would have to wait for another one.

        If the client does not read, this message is the one that waits, and is sent in a task.
        """
        if self.is_waiting:
            return False
        sending = self._send(message).__await__()
        try:
            awaited = next(sending)
        except StopIteration:
            return True
        except (OSError, RuntimeError):
            return False  # the client has left, which the reader notices
        self._offered = asyncio.create_task(self._end_offer(_rest(sending, awaited)))
        return True

    async def _end_offer(self, rest: Any) -> None:
        try:
            with suppress(ClientLeft):
                await self._in_time(rest)
        except SendTimeout:
            self._too_slow()

    async def write(self, *messages: Message) -> None:
        """Send the messages. Raises SendTimeout, or ClientLeft for a closed connection."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            if self._offered:
                await asyncio.wait((self._offered,))
            for message in messages:
                sending = self._send(message).__await__()
                try:
                    awaited = next(sending)
                except StopIteration:
                    continue
                except (OSError, RuntimeError):
                    # OSError: the client has closed the connection; RuntimeError: the server has.
                    raise ClientLeft from None
                await self._in_time(_rest(sending, awaited))

    async def _in_time(self, rest: Any) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await rest
        except TimeoutError:
            raise SendTimeout from None
        except (OSError, RuntimeError):
            raise ClientLeft from None

    def cancel(self) -> None:
        """Recall an offered message that waits: a cancelled send has sent nothing."""
        if self._offered:
            self._offered.cancel()


@coroutine
def _rest(started: Generator[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """Await the rest of a coroutine that waits for `awaited`; `yield from` starts a fresh one."""
    while True:
        try:
            value = yield awaited
        except BaseException as error:
            step = partial(started.throw, error)
        else:
            step = partial(started.send, value)
        try:
            awaited = step()
        except StopIteration:
            return
