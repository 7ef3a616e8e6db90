"""A consumer handles every event despite crashes, poisonous events and outages of Redis."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from chassis.consumer_groups import registry
from chassis.database import DatabaseUnavailableError
from chassis.events import Event
from chassis.streams import StreamConsumer, connect
from tests.integration.chassis.conftest import STREAM, event
from tests.integration.conftest import Server, until

GROUP = "readers"


@dataclass
class Reader:
    """A handler that records its events."""

    handled: list[Event] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    fail: Callable[[Event], Awaitable[None]] | None = None

    async def handle(self, each: Event) -> None:
        if self.fail:
            await self.fail(each)
        self.handled.append(each)

    async def reject(self, text: str, reason: str) -> None:
        self.rejected.append((text, reason))

    def consumer(self, redis: Redis, **settings: Any) -> StreamConsumer:
        return StreamConsumer(
            redis,
            [STREAM],
            **{"group": GROUP, "handle": self.handle, "reject": self.reject, **settings},
        )

    async def has_handled(self, *events: Event) -> bool:
        return self.handled == list(events)


async def send(redis: Redis, *events: Event) -> None:
    for each in events:
        await redis.xadd(STREAM, {"event": each.to_json()})


async def nothing_is_pending(redis: Redis) -> bool:
    pending: Any = await redis.xpending(STREAM, GROUP)
    return bool(pending["pending"] == 0)


async def left_by_a_dead_consumer(redis: Redis, *events: Event, attempts: int = 1) -> None:
    """Leave pending events, idle for an hour; the first has had `attempts` attempts."""
    await redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    await send(redis, *events)
    answer: Any = await redis.xreadgroup(GROUP, "dead", {STREAM: ">"})
    for number, (entry_id, _) in enumerate(answer[0][1]):
        await redis.xclaim(
            STREAM,
            GROUP,
            "dead",
            0,
            [entry_id],
            idle=3_600_000,
            retrycount=1 if number else attempts,
            justid=True,
        )


class TestHandle:
    async def test_all_events_are_handled_from_the_start_in_order(self, redis: Redis) -> None:
        before, after = [[event(n=n) for n in range(25)] for _ in range(2)]
        await send(redis, *before)
        reader = Reader()
        async with reader.consumer(redis).running():
            await send(redis, *after)
            await until(lambda: reader.has_handled(*before, *after))
            await until(lambda: nothing_is_pending(redis))

    async def test_consumers_of_a_group_share_the_events(self, redis: Redis) -> None:
        readers = [Reader(), Reader()]
        events = [event(n=n) for n in range(200)]
        async with (
            readers[0].consumer(redis, batch=1).running(),
            readers[1].consumer(redis, batch=1).running(),
        ):
            await send(redis, *events)

            async def all_are_handled() -> bool:
                return sum(len(reader.handled) for reader in readers) == len(events)

            await until(all_are_handled)
        ids = {each.id for reader in readers for each in reader.handled}
        assert ids == {each.id for each in events}
        assert all(reader.handled for reader in readers)

    async def test_each_group_gets_every_event(self, redis: Redis) -> None:
        readers = [Reader(), Reader()]
        each = event()
        async with (
            readers[0].consumer(redis).running(),
            readers[1].consumer(redis, group="others").running(),
        ):
            await send(redis, each)
            for reader in readers:
                await until(lambda reader=reader: reader.has_handled(each))  # type: ignore[misc]


class TestReject:
    async def test_poisonous_event_is_retried_and_rejected_and_others_are_handled(
        self, redis: Redis
    ) -> None:
        poison, wholesome = event(n=1), event(n=2)
        tried = 0

        async def fail(each: Event) -> None:
            nonlocal tried
            if each == poison:
                tried += 1
                raise LookupError("bitter")

        reader = Reader(fail=fail)
        async with reader.consumer(redis, attempts=3).running():
            await send(redis, poison, wholesome)
            await until(lambda: reader.has_handled(wholesome))
            await until(lambda: nothing_is_pending(redis))
        assert tried == 3
        assert reader.rejected == [(poison.to_json(), "LookupError: bitter")]

    async def test_event_that_succeeds_in_the_last_attempt_is_not_rejected(
        self, redis: Redis
    ) -> None:
        failures = iter([ValueError, KeyError])

        async def fail(_: Event) -> None:
            if error := next(failures, None):
                raise error

        reader, each = Reader(fail=fail), event()
        async with reader.consumer(redis, attempts=3).running():
            await send(redis, each)
            await until(lambda: reader.has_handled(each))
        assert reader.rejected == []

    async def test_event_that_kills_every_process_is_rejected_alone(self, redis: Redis) -> None:
        poison, behind = event(n=1), event(n=2)
        await left_by_a_dead_consumer(redis, poison, behind, attempts=3)
        reader = Reader()
        async with reader.consumer(redis, attempts=3).running():
            await until(lambda: reader.has_handled(behind))
        ((text, reason),) = reader.rejected
        assert text == poison.to_json()
        assert "no attempt finished" in reason

    @pytest.mark.parametrize(
        "fields",
        [
            {"event": "{"},
            {"event": ""},
            {"event": b"\xff\xfe"},
            {"event": "[" * 100_000},
            {"other": "x"},
            {"event": event().to_json().replace('"1.0"', '"0.3"')},
        ],
    )
    async def test_malformed_event_is_rejected_at_once(
        self, redis: Redis, fields: dict[str, Any]
    ) -> None:
        reader, wholesome = Reader(), event()
        async with reader.consumer(redis).running():
            await redis.xadd(STREAM, fields)  # type: ignore[arg-type]
            await send(redis, wholesome)
            await until(lambda: reader.has_handled(wholesome))
        ((_, reason),) = reader.rejected
        assert reason.startswith("malformed: ")

    async def test_event_that_cannot_be_rejected_stays_pending_and_blocks_nothing(
        self, redis: Redis
    ) -> None:
        refusals = iter([ValueError, ValueError])
        reader, wholesome = Reader(), event()

        async def reject(text: str, reason: str) -> None:
            if error := next(refusals, None):
                raise error
            await reader.reject(text, reason)

        async with reader.consumer(redis, reject=reject, claim_idle=0.1).running():
            await redis.xadd(STREAM, {"event": "poison"})
            await send(redis, wholesome)
            await until(lambda: reader.has_handled(wholesome))
            await until(lambda: nothing_is_pending(redis))
        assert [text for text, _ in reader.rejected] == ["poison"]


class TestInfrastructure:
    @pytest.mark.parametrize(
        "away",
        [
            ConnectionRefusedError,
            TimeoutError,
            DatabaseUnavailableError,
            asyncpg.CannotConnectNowError,
            asyncpg.ConnectionDoesNotExistError,
            asyncpg.InterfaceError,
        ],
    )
    async def test_outage_is_waited_out_and_counts_as_no_attempt(
        self, redis: Redis, away: type[Exception]
    ) -> None:
        events = [event(n=n) for n in range(5)]
        outage = iter(range(4))

        async def fail(each: Event) -> None:
            if each == events[2] and next(outage, None) is not None:
                raise away("gone")

        reader = Reader(fail=fail)
        async with reader.consumer(redis, attempts=1).running():
            await send(redis, *events)
            await until(lambda: reader.has_handled(*events))
        assert reader.rejected == []


class TestClaim:
    async def test_entries_of_a_dead_consumer_are_claimed(self, redis: Redis) -> None:
        events = [event(n=n) for n in range(15)]
        await left_by_a_dead_consumer(redis, *events)
        reader = Reader()
        async with reader.consumer(redis, batch=4).running():
            await send(redis, late := event(n=99))

            async def everything() -> bool:
                return len(reader.handled) == 16

            await until(everything)
            await until(lambda: nothing_is_pending(redis))
        assert [e for e in reader.handled if e != late] == events

    async def test_in_flight_entries_are_not_claimed(self, redis: Redis) -> None:
        done = asyncio.Event()
        begun = asyncio.Event()

        async def fail(_: Event) -> None:
            begun.set()
            await done.wait()

        slow, other = Reader(fail=fail), Reader()
        events = [event(n=n) for n in range(3)]
        async with slow.consumer(redis, claim_idle=0.3).running():
            await send(redis, *events)
            await begun.wait()
            idle = other.consumer(redis, claim_idle=0.3)
            rounds = 0
            claim = idle._claim

            async def counted() -> bool:
                nonlocal rounds
                rounds += 1
                return await claim()

            idle._claim = counted  # type: ignore[method-assign]

            async def enough_rounds() -> bool:
                return rounds > 10

            async with idle.running():
                await until(enough_rounds)
                done.set()
                await until(lambda: slow.has_handled(*events))
        assert other.handled == []

    async def test_stopped_consumer_hands_over_at_once(self, redis: Redis) -> None:
        begun = asyncio.Event()

        async def fail(_: Event) -> None:
            begun.set()
            await asyncio.Event().wait()

        events = [event(n=n) for n in range(3)]
        async with Reader(fail=fail).consumer(redis).running():
            await send(redis, *events)
            await begun.wait()
        reader = Reader()
        async with reader.consumer(redis).running():
            await until(lambda: reader.has_handled(*events))

    async def test_idle_consumers_without_entries_are_removed(self, redis: Redis) -> None:
        await left_by_a_dead_consumer(redis, each := event())
        await redis.xgroup_createconsumer(STREAM, GROUP, "gone")
        reader = Reader()
        async with reader.consumer(redis, claim_idle=0.03).running():

            async def only_one_is_left() -> bool:
                return len(await redis.xinfo_consumers(STREAM, GROUP)) == 1

            await until(only_one_is_left)
        assert reader.handled == [each]
        assert await redis.xinfo_consumers(STREAM, GROUP) == []


class TestGroup:
    async def test_consumer_records_that_its_group_is_alive(self, redis: Redis) -> None:
        async with Reader().consumer(redis, claim_idle=0.1).running():
            await until(lambda: redis.hexists(registry(STREAM), GROUP))
            await redis.hset(registry(STREAM), GROUP, "1")

            async def is_renewed() -> bool:
                return await redis.hget(registry(STREAM), GROUP) != "1"

            await until(is_renewed)

    async def test_destroyed_group_is_reported_before_it_is_created_again(
        self, redis: Redis
    ) -> None:
        groups: list[Any] = []

        async def missed(stream: str) -> None:
            groups.append((stream, await redis.xinfo_groups(stream)))

        reader = Reader()
        async with reader.consumer(redis, missed=missed).running():
            await send(redis, first := event(n=1))
            await until(lambda: reader.has_handled(first))
            await until(lambda: nothing_is_pending(redis))
            await redis.xtrim(STREAM, 0)
            await redis.xgroup_destroy(STREAM, GROUP)
            await send(redis, second := event(n=2))
            await until(lambda: reader.has_handled(first, second))
        assert groups == [(STREAM, [])]

    async def test_new_group_and_group_lost_by_redis_have_missed_nothing(
        self, redis: Redis
    ) -> None:
        async def missed(stream: str) -> None:
            raise AssertionError(stream)

        reader = Reader()
        async with reader.consumer(redis, missed=missed).running():
            await send(redis, first := event(n=1))
            await until(lambda: reader.has_handled(first))
            await redis.flushall()
            await send(redis, second := event(n=2))
            await until(lambda: reader.has_handled(first, second))


class TestRedisAway:
    async def test_consumer_survives_a_flush(self, redis: Redis) -> None:
        reader = Reader()
        events = [event(n=n) for n in range(3)]
        async with reader.consumer(redis).running():
            for number, each in enumerate(events, start=1):
                await send(redis, each)
                await until(lambda n=number: reader.has_handled(*events[:n]))  # type: ignore[misc]
                await redis.flushall()

    async def test_consumer_survives_a_killed_server(self, server: Server) -> None:
        reader = Reader()
        events = [event(n=n) for n in range(4)]
        async with connect(server.url) as redis, reader.consumer(redis).running():
            for number, each in enumerate(events, start=1):
                async with connect(server.url) as own:
                    await send(own, each)
                await until(lambda n=number: has_seen(reader, events[:n]))  # type: ignore[misc]
                server.kill()
                server.start()

    async def test_consumer_starts_without_a_server(self, server: Server) -> None:
        server.kill()
        reader = Reader()
        async with connect(server.url) as redis, reader.consumer(redis).running():
            server.start()
            async with connect(server.url) as own:
                await send(own, each := event())
            await until(lambda: reader.has_handled(each))


class TestStop:
    async def test_many_stops_lose_no_event(self, redis: Redis) -> None:
        storm = random.Random(7)
        events = [event(n=n) for n in range(60)]
        await send(redis, *events)
        reader = Reader()

        async def slowly(_: Event) -> None:
            await asyncio.sleep(0.001)

        reader.fail = slowly

        async def live() -> None:
            async with reader.consumer(redis, attempts=1000, claim_idle=0.5).running():
                await asyncio.Event().wait()

        for _ in range(60):
            task = asyncio.create_task(live())
            await asyncio.sleep(storm.uniform(0, 0.02))
            task.cancel()
            if storm.random() < 0.5:
                await asyncio.sleep(storm.uniform(0, 0.002))
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        async with reader.consumer(redis, claim_idle=0.5).running():
            await until(lambda: nothing_is_pending(redis))
            await until(lambda: has_seen(reader, events))


async def has_seen(reader: Reader, events: list[Event]) -> bool:
    return {each.id for each in reader.handled} == {each.id for each in events}
