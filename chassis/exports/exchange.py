"""The request for one export and the answers to it, in Redis for as long as the request is open."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.client import NEVER_DECODE

from chassis.exports.records import Answer
from chassis.exports.seal import Seal, SealBrokenError

_POLL = 0.1  # seconds
_REQUEST = "request"
_SPARE = 10  # seconds that a request outlives the wait for its answers, if its process dies

# Only while the request is open, and no longer than that.
_ANSWER = """
local left = redis.call('PTTL', KEYS[1])
if left <= 0 then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', left)
return 1
"""


class RequestClosedError(Exception):
    """The request is not open any more, or it never was."""


@dataclass(frozen=True, slots=True)
class Collected:
    """The answers of the services, and why an answer is missing."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


class Exchange:
    """The exchange of one export.

    The process that gathers the export opens the request and collects the answers. Each service
    reads whose export it is from the request, and answers. A service may answer again: one answer
    is taken.
    """

    def __init__(self, redis: Redis, secret: str, export_id: UUID) -> None:
        """`export_id` is random. `secret` is the one that services share, the router's."""
        self._redis = redis
        self._seal = Seal(secret, export_id)
        self._key = f"user-export:{export_id}"

    @asynccontextmanager
    async def opened(
        self, user_id: UUID, services: Collection[str], seconds: float
    ) -> AsyncIterator[None]:
        """Keep the request open inside the block, and remove it and every answer afterwards.

        `seconds` is the time for which `collect` waits at most. The request and the answers of a
        process that died expire soon after.
        """
        request = self._seal.close(_REQUEST, user_id.bytes)
        await self._redis.set(self._key, request, px=int((seconds + _SPARE) * 1000))
        try:
            yield
        finally:
            # The request first: after it, no answer is written.
            await self._redis.delete(self._key, *map(self._answer_key, services))

    async def user_id(self) -> UUID:
        """Return the id of the user whose data is requested.

        Raises RequestClosedError, or SealBrokenError for a forged request.
        """
        request = await self._bytes("GET", self._key)
        if request is None:
            raise RequestClosedError
        return UUID(bytes=self._seal.open(_REQUEST, request))

    async def answer(self, service: str, answer: Answer) -> None:
        """Answer for a service. Raises RequestClosedError."""
        sealed = self._seal.close(service, answer.to_bytes())
        written = await self._redis.eval(_ANSWER, 2, self._key, self._answer_key(service), sealed)
        if not written:
            raise RequestClosedError

    async def collect(self, services: Collection[str], seconds: float) -> Collected:
        """Take the answers of these services; wait for them at most `seconds`."""
        answers: dict[str, Answer] = {}
        refused: dict[str, str] = {}
        end = monotonic() + seconds
        while waiting := [s for s in services if s not in answers.keys() | refused.keys()]:
            for service in waiting:
                try:
                    if answer := await self._take(service):
                        answers[service] = answer
                except (SealBrokenError, ValueError):
                    refused[service] = "its answer was not made with our ROUTER_SECRET"
            if monotonic() >= end:
                break
            await asyncio.sleep(_POLL)
        late = {
            service: f"no answer within {seconds:g} s"
            for service in services
            if service not in answers.keys() | refused.keys()
        }
        return Collected(answers, refused | late)

    async def _take(self, service: str) -> Answer | None:
        sealed = await self._bytes("GETDEL", self._answer_key(service))
        return None if sealed is None else Answer.from_bytes(self._seal.open(service, sealed))

    async def _bytes(self, command: str, key: str) -> bytes | None:
        """Run a command on one key, for a client that decodes other responses."""
        execute: Any = self._redis.execute_command
        value: bytes | None = await execute(command, key, **{NEVER_DECODE: True})
        return value

    def _answer_key(self, service: str) -> str:
        return f"{self._key}:{service}"
