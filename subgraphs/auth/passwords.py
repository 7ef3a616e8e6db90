"""Argon2id in threads of its own, so that a burst of sign-ins slows nothing but sign-ins."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from chassis.errors import Overloaded

T = TypeVar("T")

_TOGETHER = 4
"""How many hashes are handed over at once while others wait. Half of what each costs beside Argon2
is cold caches: the event loop's when it is woken, the hashing threads' when it has run."""


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """Argon2id parameters; the defaults are OWASP's minimum (19 MiB, 2 passes, 1 lane)."""

    memory_kib: int = 19 * 1024
    passes: int = 2
    lanes: int = 1


class Argon2PasswordHasher:
    """Hashes in `workers` threads; raises Overloaded when `backlog` hashes are waiting already."""

    def __init__(self, cost: Argon2Cost, *, workers: int, backlog: int) -> None:
        self._argon2 = argon2.PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes
        )
        self._pool = ThreadPoolExecutor(workers, "argon2", initializer=_yield_to_the_event_loop)
        self._workers = workers
        self._limit = workers + backlog
        self._pending = 0
        self._lock = threading.Lock()  # of the two that follow
        self._unfinished = 0
        self._finished: list[Callable[[], None]] = []
        # Verified when there is nobody to verify, so that the answer takes as long.
        self._nobody = self._argon2.hash(os.urandom(16).hex())
        self._parameters = self._nobody[: self._nobody.index("$", self._nobody.index("p=")) + 1]

    async def hash(self, password: str) -> str:
        return await self._in_pool(lambda: self._argon2.hash(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        matches = await self._in_pool(lambda: self._matches(password_hash, password))
        return matches and password_hash is not None

    def outdated(self, password_hash: str) -> bool:
        same = len(password_hash) == len(self._nobody)
        return not (same and password_hash.startswith(self._parameters))

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password_hash: str | None, password: str) -> bool:
        try:
            return self._argon2.verify(password_hash or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_pool(self, work: Callable[[], T]) -> T:
        if self._pending >= self._limit:
            raise Overloaded
        self._pending += 1
        with self._lock:
            self._unfinished += 1
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._pool.submit(self._run, work, future, loop)
        return await future

    def _run(
        self, work: Callable[[], T], future: asyncio.Future[T], loop: asyncio.AbstractEventLoop
    ) -> None:
        """In a thread: hashes, and hands over what is finished, unless others wait to be hashed."""
        try:
            tell = partial(_give, future, work())
        except Exception as error:
            tell = partial(_refuse, future, error)
        with self._lock:
            self._unfinished -= 1
            self._finished.append(tell)
            if self._unfinished >= self._workers and len(self._finished) < _TOGETHER:
                return  # those who wait will see to it
            finished, self._finished = self._finished, []
        loop.call_soon_threadsafe(self._hand_over, finished)

    def _hand_over(self, finished: list[Callable[[], None]]) -> None:
        # Counted down now that the threads are done, not when a caller has lost patience.
        self._pending -= len(finished)
        for tell in finished:
            tell()


def _give(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _refuse(future: asyncio.Future[T], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _yield_to_the_event_loop() -> None:
    """Lets the hashing threads run only when the rest of the process leaves the processor idle."""
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
