"""Events are published once and in order, and kept until every group has acknowledged them."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from chassis import outbox
from chassis.consumer_groups import join, registry
from chassis.database import Connection, Database
from chassis.events import Event
from chassis.outbox import OutboxRelay, add_to_outbox
from chassis.streams import StreamConsumer, connect
from tests.integration.chassis.conftest import (
    STREAM,
    event,
    holds,
    published,
    write,
)
from tests.integration.conftest import Server, is_empty, somebody_waits, until

GROUP = "readers"


def relay(database: Database, redis: Redis, **settings: Any) -> OutboxRelay:
    return OutboxRelay(database, redis, STREAM, **{"groups": [GROUP], "settle": 0.0, **settings})


def numbered(count: int) -> list[Event]:
    return [event(n=n) for n in range(count)]


@asynccontextmanager
async def reading(redis: Redis, group: str = GROUP) -> AsyncIterator[list[Event]]:
    """Run a consumer; yields the list of the events that it has handled."""
    handled: list[Event] = []

    async def handle(each: Event) -> None:
        handled.append(each)

    async def reject(text: str, reason: str) -> None:
        raise AssertionError(reason)

    async with StreamConsumer(redis, [STREAM], group=group, handle=handle, reject=reject).running():
        yield handled


async def change(database: Database, subject: str) -> None:
    """Change a locked subject and write the event of the change."""

    async def work(connection: Connection) -> None:
        n = await connection.fetch_val(
            """
            INSERT INTO subjects VALUES (:id, 1)
            ON CONFLICT (id) DO UPDATE SET n = subjects.n + 1 RETURNING n
            """,
            {"id": subject},
        )
        await add_to_outbox(connection, event(subject, n=n))

    await database.transaction(work)


class TestPublish:
    async def test_committed_event_is_published(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        events = numbered(3)
        async with relay(outbox_database, redis).running():
            await write(outbox_database, *events)
            await until(lambda: holds(redis, events))

    async def test_rolled_back_event_is_not_published(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        async def work(connection: Connection) -> None:
            await add_to_outbox(connection, event())
            raise LookupError

        async with relay(outbox_database, redis).running():
            with pytest.raises(LookupError):
                await outbox_database.transaction(work)
            (later,) = numbered(1)
            await write(outbox_database, later)
            await until(lambda: holds(redis, [later]))

    async def test_wake_publishes_without_delay(
        self, outbox_database: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outbox, "_POLL", 3600)
        awake = relay(outbox_database, redis)
        async with awake.running():
            for count in range(1, 6):
                await write(outbox_database, event())
                awake.wake()
                await until(lambda count=count: has_length(redis, count))  # type: ignore[misc]

    async def test_events_of_a_subject_stay_in_order_with_two_relays(
        self, outbox_database: Database, outbox_url: str, valkey_url: str, redis: Redis
    ) -> None:
        subjects = [f"subject {n}" for n in range(5)]
        other = Database(outbox_url)
        await other.connect()
        async with connect(valkey_url) as second:
            relays = [relay(outbox_database, redis), relay(other, second)]
            async with relays[0].running(), relays[1].running():

                async def act(number: int) -> None:
                    await change(outbox_database, subjects[number % 5])
                    relays[number % 2].wake()

                await asyncio.gather(*(act(number) for number in range(500)))
                await until(lambda: has_length(redis, 500))
        await other.disconnect()
        events = await published(redis)
        for subject in subjects:
            assert [e.data["n"] for e in events if e.subject == subject] == list(range(1, 101))

    async def test_event_keeps_its_first_id(self, outbox_database: Database, redis: Redis) -> None:
        """Two relays find the same event at the same time."""
        await write(outbox_database, *numbered(3))
        ids = "SELECT array_agg(entry ORDER BY position) FROM outbox"
        found, commit = asyncio.Event(), asyncio.Event()

        async def number(connection: Connection) -> Any:
            await relay(outbox_database, redis)._number(connection)
            found.set()
            await commit.wait()
            return await connection.fetch_val(ids)

        first = asyncio.ensure_future(outbox_database.transaction(number))
        await found.wait()
        second = asyncio.ensure_future(
            outbox_database.transaction(relay(outbox_database, redis)._number)
        )
        await until(lambda: somebody_waits(outbox_database))
        commit.set()
        assert await second
        assert await first == await outbox_database.read(lambda c: c.fetch_val(ids))

    async def test_clock_set_back_hides_no_event(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        await redis.xadd(STREAM, {"event": event().to_json()}, id="9999999999999-7")
        async with relay(outbox_database, redis).running():
            await write(outbox_database, *numbered(3))
            await until(lambda: has_length(redis, 4))


class TestCrash:
    """Crashes at the worst moments."""

    async def test_relay_crashes_before_it_publishes(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        events = numbered(3)
        await write(outbox_database, *events)
        assert await outbox_database.transaction(relay(outbox_database, redis)._number)
        async with relay(outbox_database, redis).running():
            await until(lambda: holds(redis, events))

    async def test_relay_crashes_after_it_has_published(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        dying = relay(outbox_database, redis)
        events = numbered(3)
        await write(outbox_database, *events[:2])
        assert await outbox_database.transaction(dying._number)

        async def publish_and_die(connection: Connection) -> None:
            await dying._publish(connection)
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await outbox_database.transaction(publish_and_die)
        async with relay(outbox_database, redis).running():
            await write(outbox_database, events[2])
            await until(lambda: has_length(redis, 3))
        assert await published(redis) == events

    async def test_relay_that_lost_its_lock_publishes_nothing_twice(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        """Redis refuses old events that are published after newer ones."""
        stale = relay(outbox_database, redis)
        events = numbered(4)
        await write(outbox_database, *events[:2])
        assert await outbox_database.transaction(stale._number)
        state = await stale._state()
        async with relay(outbox_database, redis).running():
            await write(outbox_database, *events[2:])
            await until(lambda: has_length(redis, 4))

        async def remembered() -> tuple[int, int]:
            return state

        stale._state = remembered  # type: ignore[method-assign]
        with pytest.raises(Exception, match=r"equal or smaller"):
            await outbox_database.transaction(stale._publish)
        assert await published(redis) == events

    async def test_relay_survives_the_loss_of_all_connections(
        self, outbox_database: Database, outbox_url: str, redis: Redis
    ) -> None:
        other = Database(outbox_url, pool_size=1)
        await other.connect()
        async with relay(outbox_database, redis).running():
            events = numbered(5)
            for each in events:
                await write(other, each)
                await other.read(
                    lambda c: c.execute(
                        """
                        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE datname = current_database() AND pid <> pg_backend_pid()
                        """
                    )
                )
            await until(lambda: holds(redis, events))
        await other.disconnect()


class TestRedisAway:
    async def test_events_are_published_after_an_outage(
        self, outbox_database: Database, server: Server
    ) -> None:
        async with (
            connect(server.url) as redis,
            relay(outbox_database, redis).running(),
            reading(redis) as handled,
        ):
            events = numbered(30)
            await write(outbox_database, *events[:10])
            await until(lambda: has_handled(handled, events[:10]))
            server.kill()
            for each in events[10:]:
                await write(outbox_database, each)
            server.start()
            await until(lambda: has_handled(handled, events))
            await until(lambda: is_empty(outbox_database, "outbox"))

    async def test_emptied_server_gets_all_events_again(
        self, outbox_database: Database, server: Server
    ) -> None:
        events = numbered(20)
        async with connect(server.url) as redis, relay(outbox_database, redis).running():
            await write(outbox_database, *events)
            await until(lambda: holds(redis, events))
            server.lose_data()
            server.start()
            async with connect(server.url) as fresh:
                await until(lambda: holds(fresh, events))
            async with reading(redis) as handled:
                await until(lambda: has_handled(handled, events))

    async def test_flush_loses_no_event(self, outbox_database: Database, redis: Redis) -> None:
        events = numbered(300)
        async with relay(outbox_database, redis).running(), reading(redis) as handled:
            for number, each in enumerate(events):
                await write(outbox_database, each)
                if number % 60 == 30:
                    await redis.flushall()
            await until(lambda: has_handled(handled, events))
            await until(lambda: is_empty(outbox_database, "outbox"))

    async def test_lost_tail_of_the_append_only_file_is_published_again(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        events = numbered(10)
        async with relay(outbox_database, redis).running():
            await write(outbox_database, *events)
            await until(lambda: holds(redis, events))
            entries: Any = await redis.xrange(STREAM)
            async with redis.pipeline(transaction=True) as pipeline:
                pipeline.delete(STREAM)
                for entry_id, fields in entries[:7]:
                    pipeline.xadd(STREAM, fields, id=entry_id)
                await pipeline.execute()
            await until(lambda: holds(redis, events))
            assert await redis.xrange(STREAM) == entries


class TestForget:
    async def test_acknowledged_events_are_pruned(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        events = numbered(20)
        async with (
            relay(outbox_database, redis).running(),
            reading(redis) as first,
            reading(redis, "others") as second,
        ):
            await write(outbox_database, *events)
            await until(lambda: has_handled(first, events))
            await until(lambda: has_handled(second, events))
            await until(lambda: is_empty(outbox_database, "outbox"))
            assert await redis.xlen(STREAM) == 0

    async def test_stream_keeps_recent_entries_for_readers_without_a_group(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        events = numbered(20)
        async with relay(outbox_database, redis, keep=60).running(), reading(redis) as handled:
            await write(outbox_database, *events)
            await until(lambda: has_handled(handled, events))
            await until(lambda: is_empty(outbox_database, "outbox"))
            assert await published(redis) == events

    async def test_older_entries_are_pruned(self, outbox_database: Database, redis: Redis) -> None:
        old, new = numbered(3), numbered(3)
        async with relay(outbox_database, redis, keep=1.5).running(), reading(redis) as handled:
            await write(outbox_database, *old)
            await until(lambda: has_handled(handled, old))
            await asyncio.sleep(1.6)
            await write(outbox_database, *new)
            await until(lambda: has_handled(handled, old + new))
            await until(lambda: is_empty(outbox_database, "outbox"))
            assert await published(redis) == new

    async def test_missing_declared_group_is_waited_for(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        events = numbered(5)
        late = relay(outbox_database, redis, groups=[GROUP, "late"])
        async with late.running(), reading(redis) as handled:
            await write(outbox_database, *events)
            await until(lambda: has_handled(handled, events))
            await outbox_database.transaction(late._prune)
            assert await published(redis) == events
            async with reading(redis, "late") as late_handled:
                await until(lambda: has_handled(late_handled, events))
                await until(lambda: is_empty(outbox_database, "outbox"))

    async def test_pending_entries_are_kept(self, outbox_database: Database, redis: Redis) -> None:
        events = numbered(5)
        some = relay(outbox_database, redis)
        async with some.running():
            await write(outbox_database, *events)
            await until(lambda: holds(redis, events))
            await redis.xgroup_create(STREAM, GROUP, id="0")
            answer: Any = await redis.xreadgroup(GROUP, "slow", {STREAM: ">"})
            ids = [entry_id for entry_id, _ in answer[0][1]]
            await redis.xack(STREAM, GROUP, ids[0], ids[1], ids[3])
            await until(lambda: holds(redis, events[2:]))
            await redis.xack(STREAM, GROUP, ids[2], ids[4])
            await until(lambda: is_empty(outbox_database, "outbox"))


class TestConsumers:
    """The groups for which an event is kept."""

    async def test_event_without_a_consumer_is_removed(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        async with relay(outbox_database, redis, groups=[], limit=5).running():
            await write(outbox_database, *numbered(30))
            await until(lambda: is_empty(outbox_database, "outbox"))
        assert await redis.xlen(STREAM) == 0

    async def test_event_without_a_consumer_stays_for_readers_without_a_group(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        events = numbered(5)
        async with relay(outbox_database, redis, groups=[], keep=60).running():
            await write(outbox_database, *events)
            await until(lambda: is_empty(outbox_database, "outbox"))
        assert await published(redis) == events

    async def test_live_undeclared_group_is_waited_for(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        """A release with a new consumer is rolled out; this producer is of the previous one."""
        events = numbered(5)
        some = relay(outbox_database, redis)
        async with some.running(), reading(redis) as handled:
            await join(redis, STREAM, "newcomer", nothing)
            await write(outbox_database, *events)
            await until(lambda: has_handled(handled, events))
            await outbox_database.transaction(some._prune)
            assert await published(redis) == events
            assert (await some.backlog()).undeclared == {"newcomer"}
            async with reading(redis, "newcomer") as late:
                await until(lambda: has_handled(late, events))
            await until(lambda: is_empty(outbox_database, "outbox"))

    async def test_abandoned_group_is_destroyed(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        some = relay(outbox_database, redis)
        await join(redis, STREAM, "leftover", nothing)
        await some._review()
        await redis.hset(registry(STREAM), "leftover", "1")
        events = numbered(5)
        async with some.running(), reading(redis) as handled:
            await write(outbox_database, *events)
            await until(lambda: has_handled(handled, events))
            await until(lambda: is_empty(outbox_database, "outbox"))
        groups: Any = await redis.xinfo_groups(STREAM)
        assert [group["name"] for group in groups] == [GROUP]

    async def test_time_without_a_producer_does_not_count(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        """During a long outage of Redis, consumers could not send heartbeats."""
        await join(redis, STREAM, "newcomer", nothing)
        await redis.hset(registry(STREAM), "newcomer", "1")
        review = await relay(outbox_database, redis)._review()
        assert review.undeclared == {"newcomer"}
        assert await redis.hget(registry(STREAM), "newcomer") != "1"

    async def test_declared_group_is_never_destroyed(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        some = relay(outbox_database, redis)
        await join(redis, STREAM, GROUP, nothing)
        await some._review()
        await redis.hset(registry(STREAM), GROUP, "1")
        await some._review()
        assert await redis.xinfo_groups(STREAM)

    async def test_nothing_is_pruned_before_consumers_can_rejoin(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        """Redis has lost its data and knows no group, but an undeclared one may be alive."""
        events = numbered(5)
        some = relay(outbox_database, redis, settle=3600)
        async with some.running(), reading(redis) as handled:
            await write(outbox_database, *events)
            await until(lambda: has_handled(handled, events))
            await outbox_database.transaction(some._prune)
            assert await published(redis) == events
            assert not await is_empty(outbox_database, "outbox")
            await redis.hset(registry(STREAM), "@since", "1")
            await until(lambda: is_empty(outbox_database, "outbox"))


async def nothing() -> None: ...


class TestLimit:
    async def test_full_stream_holds_events_back_until_they_are_read(
        self, outbox_database: Database, redis: Redis
    ) -> None:
        events = numbered(35)
        async with relay(outbox_database, redis, limit=10).running():
            await write(outbox_database, *events)
            await until(lambda: holds(redis, events[:10]))
            await write(outbox_database, *(late := numbered(5)))
            async with reading(redis) as handled:
                while handled != events + late:
                    assert await redis.xlen(STREAM) <= 10
            await until(lambda: is_empty(outbox_database, "outbox"))


class TestStop:
    async def test_many_stops_lose_no_event(self, outbox_database: Database, redis: Redis) -> None:
        storm = random.Random(7)
        events = numbered(100)

        async def live() -> None:
            restless = relay(outbox_database, redis)
            async with restless.running():
                while True:
                    restless.wake()
                    await asyncio.sleep(0)

        for each in events:
            await write(outbox_database, each)
            task = asyncio.create_task(live())
            await asyncio.sleep(storm.uniform(0, 0.01))
            task.cancel()
            if storm.random() < 0.5:
                await asyncio.sleep(0)
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        async with relay(outbox_database, redis).running():
            await until(lambda: holds(redis, events))


async def has_length(redis: Redis, length: int) -> bool:
    return bool(await redis.xlen(STREAM) == length)


async def has_handled(handled: list[Event], events: list[Event]) -> bool:
    """Return whether each event was handled at least once, the first time in order."""
    return list({each.id: each for each in handled}.values()) == events
