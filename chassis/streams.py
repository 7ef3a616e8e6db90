"""Reads Redis Streams as one of a consumer group: nothing is lost and nothing stops the stream."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from time import monotonic
from typing import Any
from uuid import uuid4

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from chassis.background import Backoff, running
from chassis.consumer_groups import announce, join
from chassis.database import UNAVAILABLE
from chassis.events import Event, MalformedEventError
from chassis.logging import bound, trace_id
from chassis.tracing import span

FIELD = "event"
"""The one field of an entry: the event's JSON."""

INFRASTRUCTURE: tuple[type[Exception], ...] = (*UNAVAILABLE, RedisError)
"""What a handler raises when it is not the event's fault."""

_BLOCK = 2000  # milliseconds, well below the client's time-out
_BETWEEN_ATTEMPTS = 0.05  # seconds, doubled from attempt to attempt
_BEATS = 5  # in `claim_idle`: one that meets the client's time-out does not make us silent
_GONE = 10  # times `claim_idle`: then a consumer that holds nothing is taken off the group

# In one step, because with a consumer Redis forgets what is pending for it.
_REMOVE_IDLE_CONSUMER = """
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
    return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
"""

_log = structlog.get_logger("chassis.streams")


async def _log_gap(stream: str) -> None:
    _log.warning("consumer group missing: events may have been missed", stream=stream)


def connect(url: str) -> Redis:
    """A client for streams: it reports a failure at once, for its users to wait it out.

    Bytes that are no text are replaced and not refused, or one bad entry would stop its readers.
    """
    return Redis.from_url(
        url,
        decode_responses=True,
        encoding_errors="replace",
        socket_timeout=5.0,
        socket_connect_timeout=2.0,
        retry=Retry(NoBackoff(), 0),
    )


@dataclass(slots=True)
class _Entry:
    """An entry that this consumer has to see to. `text` is None until it is read again."""

    stream: str
    id: str
    text: str | None
    attempt: int = 1


class StreamConsumer:
    """One consumer of a group: give each process its own.

    `handle` gets every event at least once: its effects must bear being repeated (remember the
    event's id). With several consumers in the group two events of one subject may be handled at
    the same time or in the other order, and one that was claimed from a dead consumer comes late:
    `handle` must bear that as well.

    An error of INFRASTRUCTURE pauses this consumer until it is over. With any other error the event
    is tried again, `attempts` times in all, those counted that ended the process, then handed to
    `reject` with the reason, as is at once what is no event. `reject` has to keep it.
    """

    def __init__(
        self,
        redis: Redis,
        streams: Sequence[str],
        *,
        group: str,
        handle: Callable[[Event], Awaitable[None]],
        reject: Callable[[str, str], Awaitable[None]],
        batch: int = 10,
        claim_idle: float = 10.0,
        attempts: int = 5,
        tell: Callable[[str, datetime | None, str], None] = lambda *_: None,
        missed: Callable[[str], Awaitable[None]] = _log_gap,
    ) -> None:
        """`claim_idle`: seconds after which what a silent consumer holds is taken over.

        `missed` is called with a stream whose group existed and is missing, before it is created
        again: events may have been removed that this group never read.

        `tell` hears of each event that is done with: its stream, its time if it has one, and
        whether it was `handled` or `rejected`.
        """
        self._redis = redis
        self._streams = streams
        self._group = group
        self._name = uuid4().hex
        self._handle = handle
        self._reject = reject
        self._batch = batch
        self._claim_idle = claim_idle
        self._attempts = attempts
        self._tell = tell
        self._missed = missed
        self._in_hand: list[_Entry] = []
        self._reading = Backoff("read events", group=group, streams=[*streams])
        self._handling = Backoff("handle events", group=group)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read while the block runs, and wait out every outage. Without streams do nothing."""
        if not self._streams:
            yield
            return
        try:
            consuming = self._reading.retry_forever(self._consume, INFRASTRUCTURE)
            async with running(self._keep(), consuming):
                yield
        finally:
            await self._leave()

    async def _consume(self) -> None:
        await self._join()
        claimed = float("-inf")
        while True:
            # Also what is still in hand after Redis was away: without an answer to the
            # acknowledgement nobody knows whether it was one.
            while self._in_hand:
                await self._see_to(self._in_hand[0])
                self._in_hand.pop(0)
            if monotonic() - claimed > self._claim_idle / 3 and not await self._claim():
                claimed = monotonic()
            if not self._in_hand:
                await self._read()
            self._reading.reset()

    async def _join(self) -> None:
        """Create the group where it is missing; it begins with what the stream still holds."""
        for stream in self._streams:
            await join(self._redis, stream, self._group, partial(self._missed, stream))

    async def _read(self) -> None:
        answer: Any = await self._redis.xreadgroup(
            self._group,
            self._name,
            dict.fromkeys(self._streams, ">"),
            count=self._batch,
            block=min(_BLOCK, int(self._claim_idle * 1000 / 3)),
        )
        for stream, entries in answer:
            self._in_hand += [
                _Entry(stream, entry_id, _text(fields)) for entry_id, fields in entries
            ]

    async def _claim(self) -> bool:
        """Takes over some of what silent consumers hold, and forgets those that are gone.

        False if there was nothing to take over.
        """
        idle = int(self._claim_idle * 1000)
        for stream in self._streams:
            silent: Any = await self._redis.xpending_range(
                stream, self._group, "-", "+", self._batch, idle=idle
            )
            if ids := [entry["message_id"] for entry in silent]:
                # Only the ids: an entry is counted as tried when its turn comes, not because it
                # was waiting behind one that ends every process.
                claimed: Any = await self._redis.xclaim(
                    stream, self._group, self._name, idle, ids, justid=True
                )
                self._in_hand += [_Entry(stream, entry_id, None) for entry_id in claimed]
            consumers: Any = await self._redis.xinfo_consumers(stream, self._group)
            for consumer in consumers:
                if not consumer["pending"] and consumer["idle"] > _GONE * idle:
                    await self._remove(stream, consumer["name"])
        return bool(self._in_hand)

    async def _keep(self) -> None:
        """Heartbeat: resets the idle time of in-flight entries so that no other consumer claims
        them, and announces the group."""
        while True:
            await asyncio.sleep(self._claim_idle / _BEATS)
            try:
                await self._show(idle=0)
                for stream in self._streams:
                    await announce(self._redis, stream, self._group)
            except Exception as error:
                _log.info("entries could not be held", group=self._group, reason=repr(error))

    async def _leave(self) -> None:
        """Lets others take over at once what is in hand, and takes this consumer off the group."""
        try:
            await self._show(idle=24 * 60 * 60 * 1000)
            for stream in self._streams:
                await self._remove(stream, self._name)
        except (RedisError, OSError) as error:
            _log.info("left without saying so", group=self._group, reason=repr(error))

    async def _show(self, *, idle: int) -> None:
        in_hand = sorted(self._in_hand, key=lambda entry: entry.stream)
        for stream, entries in groupby(in_hand, key=lambda entry: entry.stream):
            await self._redis.xclaim(
                stream, self._group, self._name, 0, [e.id for e in entries], idle=idle, justid=True
            )

    async def _remove(self, stream: str, consumer: str) -> None:
        await self._redis.eval(_REMOVE_IDLE_CONSUMER, 1, stream, self._group, consumer)

    async def _see_to(self, entry: _Entry) -> None:
        """Returns when the entry is acknowledged, or is nobody's to see to, or cannot even be
        rejected: then it stays pending, and is claimed again."""
        if entry.text is None and not await self._count(entry):
            return
        reason = await self._refused(entry)
        if reason is None or await self._rejected(entry, reason):
            await self._redis.xack(entry.stream, self._group, entry.id)

    async def _refused(self, entry: _Entry) -> str | None:
        """Handles an entry. Gives the reason where that cannot be done."""
        try:
            event = Event.from_json(entry.text or "")
        except MalformedEventError as error:
            self._tell(entry.stream, None, "rejected")
            return f"malformed: {error}"
        ids = {"trace_id": trace} if (trace := trace_id(event.traceparent)) else {}
        with (
            bound(**ids),
            span(f"handle {event.type}", "consumer", parent=event.traceparent) as work,
        ):
            reason = await self._tried(entry, event)
            if reason:
                work.fail("rejected")
        self._tell(entry.stream, event.time, "rejected" if reason else "handled")
        return reason

    async def _tried(self, entry: _Entry, event: Event) -> str | None:
        reason = "it was begun several times and never ended"
        while entry.attempt <= self._attempts:
            try:
                await self._patiently(lambda: self._handle(event))
            except Exception as error:
                _log.exception(
                    "an event was not handled",
                    group=self._group,
                    id=str(event.id),
                    type=event.type,
                    attempt=entry.attempt,
                )
                reason = f"{type(error).__name__}: {error}"
            else:
                return None
            if entry.attempt == self._attempts:
                break
            await asyncio.sleep(_BETWEEN_ATTEMPTS * 2**entry.attempt)
            if not await self._count(entry):
                return None
        return reason

    async def _rejected(self, entry: _Entry, reason: str) -> bool:
        try:
            await self._patiently(lambda: self._reject(entry.text or "", reason))
        except Exception:
            _log.exception("an event could not be rejected", group=self._group, id=entry.id)
            return False
        _log.error("an event was rejected", group=self._group, id=entry.id, reason=reason)
        return True

    async def _patiently(self, work: Callable[[], Awaitable[None]]) -> None:
        """Runs `work` until what it needs is there."""
        while True:
            try:
                await work()
            except INFRASTRUCTURE as error:
                await self._handling.wait(error)
            else:
                self._handling.reset()
                return

    async def _count(self, entry: _Entry) -> bool:
        """Reads an entry again and counts that as an attempt, in Redis, where it outlives us.

        False if it is pending no more: acknowledged by whom it was claimed from, or flushed.
        """
        claimed: Any = await self._redis.xclaim(
            entry.stream, self._group, self._name, 0, [entry.id]
        )
        pending: Any = await self._redis.xpending_range(
            entry.stream, self._group, entry.id, entry.id, 1
        )
        if not claimed or not pending:
            return False
        entry.text = _text(claimed[0][1])
        entry.attempt = pending[0]["times_delivered"]
        return True


def _text(fields: dict[str, str]) -> str:
    """The event's text, or what there is instead, for whoever looks at what was rejected."""
    return fields.get(FIELD) or str(fields)
