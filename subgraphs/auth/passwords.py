"""Hashes passwords with Argon2id, in threads: a burst of sign-ins slows only sign-ins."""

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from chassis.errors import Overloaded

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """Argon2id parameters; the defaults are OWASP's minimum (19 MiB, 2 passes, 1 lane)."""

    memory_kib: int = 19 * 1024
    passes: int = 2
    lanes: int = 1


class Argon2PasswordHasher:
    """Implements the port PasswordHasher; `hash` and `verify` raise Overloaded."""

    def __init__(self, cost: Argon2Cost, *, workers: int, backlog: int) -> None:
        """`workers` is the number of threads, `backlog` that of hashes that may wait for one."""
        self._argon2 = argon2.PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes
        )
        self._pool = ThreadPoolExecutor(workers, "argon2", initializer=_yield_to_the_event_loop)
        self._limit = workers + backlog
        self._pending = 0
        # Verified for an unknown login, so that the answer takes as long.
        self._unknown_user = self._argon2.hash(os.urandom(16).hex())

    async def hash(self, password: str) -> str:
        return await self._in_pool(lambda: self._argon2.hash(_bytes(password)))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        matches = await self._in_pool(lambda: self._matches(password_hash, password))
        return matches and password_hash is not None

    def outdated(self, password_hash: str) -> bool:
        return self._argon2.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Cancel the hashes that wait."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password_hash: str | None, password: str) -> bool:
        try:
            return self._argon2.verify(password_hash or self._unknown_user, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _in_pool(self, work: Callable[[], T]) -> T:
        if self._pending >= self._limit:
            raise Overloaded
        self._pending += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        # Counted down when the thread is done: a caller that is cancelled frees no thread.
        future.add_done_callback(self._done)
        return await asyncio.shield(future)

    def _done(self, _: object) -> None:
        self._pending -= 1


def _bytes(password: str) -> bytes:
    # JSON admits lone surrogates.
    return password.encode(errors="surrogatepass")


def _yield_to_the_event_loop() -> None:
    """Lower the priority of this thread below that of the event loop's, whatever that is."""
    if sys.platform == "linux":  # elsewhere this concerns the whole process
        os.nice(10)
