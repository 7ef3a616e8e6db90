"""A consumer of Redis Streams: no event is lost, and no event stops the stream."""

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
"""The only field of an entry: the event as JSON."""

CLAIM_IDLE = 10.0
"""Seconds after which another consumer claims the entries of a silent one."""

INFRASTRUCTURE: tuple[type[Exception], ...] = (*UNAVAILABLE, RedisError)
"""What a handler raises during an outage, which is not the fault of the event."""

_BLOCK = 2000  # milliseconds, well below the time-out of the client
_BETWEEN_ATTEMPTS = 0.05  # seconds, doubled after each attempt
_BEATS = 5  # heartbeats per `claim_idle`, so that one may be lost to a client time-out
_REMOVE_AFTER = 10  # so many `claim_idle` until a consumer without entries is removed

# One script, because Redis forgets the pending entries of a consumer that it deletes.
_REMOVE_IDLE_CONSUMER = """
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
    return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
"""

_log = structlog.get_logger("chassis.streams")


async def _log_gap(stream: str) -> None:
    _log.warning("consumer group missing", stream=stream)


def connect(url: str) -> Redis:
    """Return a client for streams. It does not retry: its users back off by themselves.

    Invalid UTF-8 is replaced, so that one bad entry does not stop its readers.
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
    """An in-flight entry of this consumer. `text` is None for a claimed entry until it is read."""

    stream: str
    id: str
    text: str | None
    attempt: int = 1


class StreamConsumer:
    """One consumer of a group; every process has its own.

    `handle` gets every event at least once, so it must be idempotent (remember the event's id).
    With several consumers in the group, two events of one subject may be handled at the same time
    or in the wrong order, and an event that was claimed from a dead consumer is late. `handle` must
    tolerate that as well.

    After an error of INFRASTRUCTURE this consumer backs off and retries until the outage ends.
    After any other error the event is retried, up to `attempts` attempts; an attempt that ended the
    process counts. Then `reject(text, reason)` must store the event. A malformed event is rejected
    at once.
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
        claim_idle: float = CLAIM_IDLE,
        attempts: int = 5,
        record: Callable[[str, datetime | None, str], None] = lambda *_: None,
        missed: Callable[[str], Awaitable[None]] = _log_gap,
    ) -> None:
        """`claim_idle`: seconds without a heartbeat after which entries of a consumer are claimed.

        `missed` is called with a stream whose group existed and is missing, before the group is
        created again: events that the group never read may have been removed.

        `record` is called after each event with its stream, its time (None for a malformed event)
        and its result: `handled` or `rejected`.
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
        self._record = record
        self._missed = missed
        self._in_flight: list[_Entry] = []
        self._reading = Backoff("read events", group=group, streams=[*streams])
        self._handling = Backoff("handle events", group=group)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Consume while the block runs; retry after every outage. Without streams, do nothing."""
        if not self._streams:
            yield
            return
        try:
            consuming = self._reading.retry_forever(self._consume, INFRASTRUCTURE)
            async with running(self._heartbeat(), consuming):
                yield
        finally:
            await self._leave()

    async def _consume(self) -> None:
        await self._join()
        claimed = float("-inf")
        while True:
            # Entries still in flight after an outage of Redis too: their ack may have been lost.
            while self._in_flight:
                await self._process(self._in_flight[0])
                self._in_flight.pop(0)
            if monotonic() - claimed > self._claim_idle / 3 and not await self._claim():
                claimed = monotonic()
            if not self._in_flight:
                await self._read()
            self._reading.reset()

    async def _join(self) -> None:
        """Create the missing groups; they start at the first entry that the stream still has."""
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
            self._in_flight += [
                _Entry(stream, entry_id, _text(fields)) for entry_id, fields in entries
            ]

    async def _claim(self) -> bool:
        """Claim some entries of silent consumers, and remove idle consumers without entries.

        Returns whether any entry was claimed.
        """
        idle = int(self._claim_idle * 1000)
        for stream in self._streams:
            silent: Any = await self._redis.xpending_range(
                stream, self._group, "-", "+", self._batch, idle=idle
            )
            if ids := [entry["message_id"] for entry in silent]:
                # `justid` counts no attempt: these entries only wait. Otherwise an entry that ends
                # every process would get those behind it rejected as well.
                claimed: Any = await self._redis.xclaim(
                    stream, self._group, self._name, idle, ids, justid=True
                )
                self._in_flight += [_Entry(stream, entry_id, None) for entry_id in claimed]
            consumers: Any = await self._redis.xinfo_consumers(stream, self._group)
            for consumer in consumers:
                if not consumer["pending"] and consumer["idle"] > _REMOVE_AFTER * idle:
                    await self._remove(stream, consumer["name"])
        return bool(self._in_flight)

    async def _heartbeat(self) -> None:
        """Reset the idle time of in-flight entries regularly, so that no other consumer claims
        them, and record that the group is alive."""
        while True:
            await asyncio.sleep(self._claim_idle / _BEATS)
            try:
                await self._set_idle(0)
                for stream in self._streams:
                    await announce(self._redis, stream, self._group)
            except Exception as error:
                _log.info("heartbeat failed", group=self._group, reason=repr(error))

    async def _leave(self) -> None:
        """Let others claim the in-flight entries at once; remove this consumer if it has none."""
        try:
            await self._set_idle(24 * 60 * 60 * 1000)
            for stream in self._streams:
                await self._remove(stream, self._name)
        except (RedisError, OSError) as error:
            _log.info("consumer not removed", group=self._group, reason=repr(error))

    async def _set_idle(self, idle: int) -> None:
        """Set the idle time of the in-flight entries, in milliseconds."""
        in_flight = sorted(self._in_flight, key=lambda entry: entry.stream)
        for stream, entries in groupby(in_flight, key=lambda entry: entry.stream):
            await self._redis.xclaim(
                stream, self._group, self._name, 0, [e.id for e in entries], idle=idle, justid=True
            )

    async def _remove(self, stream: str, consumer: str) -> None:
        await self._redis.eval(_REMOVE_IDLE_CONSUMER, 1, stream, self._group, consumer)

    async def _process(self, entry: _Entry) -> None:
        """Handle or reject an entry and acknowledge it.

        An entry that another consumer has acknowledged is skipped. An entry that cannot even be
        rejected stays pending and is claimed again.
        """
        if entry.text is None and not await self._count_attempt(entry):
            return
        reason = await self._handle_entry(entry)
        if reason is None or await self._reject_entry(entry, reason):
            await self._redis.xack(entry.stream, self._group, entry.id)

    async def _handle_entry(self, entry: _Entry) -> str | None:
        """Handle an entry. Returns None, or the reason for which it must be rejected."""
        try:
            event = Event.from_json(entry.text or "")
        except MalformedEventError as error:
            self._record(entry.stream, None, "rejected")
            return f"malformed: {error}"
        ids = {"trace_id": trace} if (trace := trace_id(event.traceparent)) else {}
        with (
            bound(**ids),
            span(f"handle {event.type}", "consumer", parent=event.traceparent) as work,
        ):
            reason = await self._attempt(entry, event)
            if reason:
                work.fail("rejected")
        self._record(entry.stream, event.time, "rejected" if reason else "handled")
        return reason

    async def _attempt(self, entry: _Entry, event: Event) -> str | None:
        """Call the handler until it succeeds or has no attempt left. Returns as `_handle_entry`."""
        reason = "no attempt finished: the process ended each time"
        while entry.attempt <= self._attempts:
            try:
                await self._handling.until_success(lambda: self._handle(event), INFRASTRUCTURE)
            except Exception as error:
                _log.exception(
                    "event handler failed",
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
            if not await self._count_attempt(entry):
                return None
        return reason

    async def _reject_entry(self, entry: _Entry, reason: str) -> bool:
        """Pass an entry to the rejection. Returns whether that succeeded."""
        try:
            await self._handling.until_success(
                lambda: self._reject(entry.text or "", reason), INFRASTRUCTURE
            )
        except Exception:
            _log.exception("event rejection failed", group=self._group, id=entry.id)
            return False
        _log.error("event rejected", group=self._group, id=entry.id, reason=reason)
        return True

    async def _count_attempt(self, entry: _Entry) -> bool:
        """Read an entry again, which Redis counts as an attempt: the count outlives this process.

        Returns False for an entry that is no longer pending: it was acknowledged by the consumer
        from which it was claimed, or removed from Redis.
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
    """Return the text of the event, or all fields of an entry that has none, for the operator."""
    return fields.get(FIELD) or str(fields)
