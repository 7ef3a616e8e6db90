"""How the feed follows the stream, with a Redis client played by the test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from chassis.events import Event
from chassis.streams import FIELD
from subgraphs.tweets.domain import Tweet
from subgraphs.tweets.events import STREAM
from subgraphs.tweets.feed import Feed
from subgraphs.tweets.service import TweetService
from subgraphs.tweets.subscriptions import Subscription, Subscriptions
from tests.unit.tweets.fakes import ADA, BOB, FakeUnitOfWork
from tests.unit.tweets.service_suite import Events

Entry = tuple[str, dict[str, str]]


@dataclass
class FakeStream:
    """A Redis client that has one stream, whose entries have the ids 1-0, 2-0, …"""

    entries: list[Entry] = field(default_factory=list)
    outages: int = 0
    """How many of the next reads fail."""
    added: asyncio.Event = field(default_factory=asyncio.Event)
    read_from: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        self.entries.append((f"{len(self.entries) + 1}-0", {FIELD: text}))
        self.added.set()

    async def xrevrange(self, stream: str, count: int) -> Sequence[Entry]:
        assert stream == STREAM
        return self.entries[-count:]

    async def xread(
        self, streams: dict[str, str], *, count: int, block: int
    ) -> Sequence[tuple[str, Sequence[Entry]]]:
        ((stream, last_id),) = streams.items()
        assert stream == STREAM
        self.read_from.append(last_id)
        if self.outages:
            self.outages -= 1
            raise ConnectionError
        after = int(last_id.partition("-")[0])
        while not self.entries[after:]:
            self.added.clear()
            await self.added.wait()
        return [(stream, self.entries[after : after + count])]


@pytest.fixture
def stream() -> FakeStream:
    return FakeStream()


@pytest.fixture
def delays() -> list[datetime]:
    """The times of the events that the feed has recorded."""
    return []


@pytest.fixture
def feed(service: TweetService, stream: FakeStream, delays: list[datetime]) -> Feed:
    return Feed(cast("Redis", stream), service, Subscriptions(), delays.append)


@asynccontextmanager
async def following(feed: Feed, stream: FakeStream) -> AsyncIterator[None]:
    """Run the feed inside the block, which begins when the feed waits for entries."""
    async with feed.running():
        await until(lambda: bool(stream.read_from) and not stream.outages)
        yield


@asynccontextmanager
async def subscribed(feed: Feed) -> AsyncIterator[Subscription]:
    async with aclosing(await feed.subscribe(ADA.id)) as subscription:
        yield subscription


@pytest.fixture
def publish(service: TweetService, stream: FakeStream, events: Events) -> Callable[..., Any]:
    """Run a use case and add its events to the stream."""

    async def publish(work: Any) -> Tweet:
        known = len(await events())
        result: Tweet = await work
        for event in (await events())[known:]:
            stream.add(event.to_json())
        return result

    return publish


async def positions(subscription: Subscription, number: int) -> list[int]:
    async with asyncio.timeout(10):
        return [(await anext(subscription)).position for _ in range(number)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


class TestFollowing:
    async def test_entry_is_broadcast_to_every_subscription_of_the_author(
        self,
        feed: Feed,
        service: TweetService,
        stream: FakeStream,
        publish: Callable[..., Any],
    ) -> None:
        async with following(feed, stream), subscribed(feed) as first, subscribed(feed) as second:
            tweet = await publish(service.create_tweet(ADA, "Hi"))
            for subscription in (first, second):
                assert (await anext(subscription)).tweet == tweet

    async def test_following_starts_after_the_newest_entry(
        self,
        feed: Feed,
        service: TweetService,
        stream: FakeStream,
        publish: Callable[..., Any],
    ) -> None:
        for _ in range(2):
            await publish(service.create_tweet(ADA, "Hi"))
        async with following(feed, stream), subscribed(feed) as subscription:
            await publish(service.create_tweet(ADA, "Ho"))
            assert await positions(subscription, 1) == [3]
        assert stream.read_from[0] == "2-0"

    async def test_each_entry_is_read_once(
        self,
        feed: Feed,
        service: TweetService,
        stream: FakeStream,
        publish: Callable[..., Any],
    ) -> None:
        async with following(feed, stream), subscribed(feed) as subscription:
            for number in range(3):
                await publish(service.create_tweet(ADA, "Hi"))
                assert await positions(subscription, 1) == [number + 1]
            await until(lambda: len(stream.read_from) == 4)
        assert stream.read_from == ["0-0", "1-0", "2-0", "3-0"]

    async def test_items_missed_before_following_are_found(
        self, feed: Feed, service: TweetService, publish: Callable[..., Any]
    ) -> None:
        async with subscribed(feed) as subscription:
            await publish(service.create_tweet(ADA, "Hi"))
            async with feed.running():
                assert await positions(subscription, 1) == [1]

    async def test_feeds_are_reconciled_before_the_stream_is_read(
        self, feed: Feed, stream: FakeStream, unit_of_work: FakeUnitOfWork
    ) -> None:
        async with following(feed, stream):
            assert unit_of_work.reads == 1

    async def test_outage_of_redis_is_waited_out(
        self,
        feed: Feed,
        service: TweetService,
        stream: FakeStream,
        publish: Callable[..., Any],
    ) -> None:
        stream.outages = 2
        async with following(feed, stream), subscribed(feed) as subscription:
            await publish(service.create_tweet(ADA, "Hi"))
            assert await positions(subscription, 1) == [1]

    async def test_end_of_an_outage_of_redis_is_logged(
        self,
        feed: Feed,
        service: TweetService,
        stream: FakeStream,
        publish: Callable[..., Any],
    ) -> None:
        stream.outages = 1
        with capture_logs() as log:
            async with following(feed, stream):
                await until(lambda: len(stream.read_from) == 2)
                await publish(service.create_tweet(ADA, "Hi"))
                await until(lambda: len(stream.read_from) == 3)
        events = [entry["event"] for entry in log if entry.get("work") == "follow feeds"]
        assert events == ["outage started", "outage ended"]

    async def test_malformed_entry_is_skipped(
        self,
        feed: Feed,
        service: TweetService,
        stream: FakeStream,
        publish: Callable[..., Any],
    ) -> None:
        async with following(feed, stream), subscribed(feed) as subscription:
            stream.add("nonsense")
            stream.entries.append(("2-0", {}))
            with capture_logs() as log:
                await publish(service.create_tweet(ADA, "Hi"))
                assert await positions(subscription, 1) == [1]
        assert stream.read_from[-1] == "3-0"
        assert [entry["event"] for entry in log] == ["malformed event"] * 2

    async def test_many_subscriptions_get_the_item(
        self,
        feed: Feed,
        service: TweetService,
        stream: FakeStream,
        publish: Callable[..., Any],
    ) -> None:
        async with following(feed, stream):
            subscriptions = [await feed.subscribe(ADA.id) for _ in range(250)]
            await publish(service.create_tweet(ADA, "Hi"))
            assert [await positions(each, 1) for each in subscriptions] == [[1]] * 250

    async def test_other_tasks_run_between_batches_of_subscriptions(
        self,
        feed: Feed,
        service: TweetService,
        stream: FakeStream,
        publish: Callable[..., Any],
    ) -> None:
        async with following(feed, stream):
            subscriptions = [await feed.subscribe(ADA.id) for _ in range(250)]
            await publish(service.create_tweet(ADA, "Hi"))
            seen: set[int] = set()
            while len(seen) < 3:
                await asyncio.sleep(0)
                seen.add(sum(each.buffered for each in subscriptions))
                seen.discard(0)
        assert seen == {100, 200, 250}


class TestRecord:
    async def test_time_of_a_delivered_event_is_recorded(
        self,
        feed: Feed,
        service: TweetService,
        stream: FakeStream,
        delays: list[datetime],
        publish: Callable[..., Any],
        events: Events,
    ) -> None:
        async with following(feed, stream), subscribed(feed) as subscription:
            await publish(service.create_tweet(ADA, "Hi"))
            await positions(subscription, 1)
            await until(lambda: bool(delays))
        event: Event = (await events())[0]
        assert delays == [event.time]

    async def test_event_without_subscriptions_is_not_recorded(
        self,
        feed: Feed,
        service: TweetService,
        stream: FakeStream,
        delays: list[datetime],
        publish: Callable[..., Any],
    ) -> None:
        async with following(feed, stream), subscribed(feed) as subscription:
            bobs = await publish(service.create_tweet(BOB, "Ho"))
            await publish(service.delete_tweet(BOB.id, bobs.id))
            await publish(service.create_tweet(ADA, "Hi"))
            await positions(subscription, 1)
            await until(lambda: bool(delays) and stream.read_from[-1] == "3-0")
        assert len(delays) == 1


class TestReconciling:
    @pytest.fixture
    def feed(self, service: TweetService, stream: FakeStream) -> Feed:
        """A feed that reconciles all the time."""
        return Feed(
            cast("Redis", stream),
            service,
            Subscriptions(),
            reconcile_every=0.0,
        )

    async def test_item_missing_from_the_stream_is_found(
        self, feed: Feed, service: TweetService, stream: FakeStream
    ) -> None:
        async with following(feed, stream), subscribed(feed) as subscription:
            await service.create_tweet(ADA, "Hi")
            assert await positions(subscription, 1) == [1]

    async def test_outage_of_the_database_is_logged_and_waited_out(
        self,
        feed: Feed,
        service: TweetService,
        stream: FakeStream,
        unit_of_work: FakeUnitOfWork,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        read, outages = unit_of_work.read, 1

        async def failing_once(work: Any) -> Any:
            nonlocal outages
            if outages:
                outages -= 1
                raise ConnectionError
            return await read(work)

        async with following(feed, stream), subscribed(feed) as subscription:
            with capture_logs() as log:
                monkeypatch.setattr(unit_of_work, "read", failing_once)
                await until(lambda: len(log) == 2)
            await service.create_tweet(ADA, "Hi")
            assert await positions(subscription, 1) == [1]
        assert [(entry["event"], entry["work"]) for entry in log] == [
            ("outage started", "reconcile feeds"),
            ("outage ended", "reconcile feeds"),
        ]


class TestReaders:
    async def test_four_subscriptions_read_concurrently(
        self, feed: Feed, unit_of_work: FakeUnitOfWork, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reading, done = 0, asyncio.Event()
        read = unit_of_work.read

        async def blocked(work: Any) -> Any:
            nonlocal reading
            reading += 1
            await done.wait()
            return await read(work)

        monkeypatch.setattr(unit_of_work, "read", blocked)
        tasks = [asyncio.create_task(feed.subscribe(ADA.id)) for _ in range(6)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert reading == 4
        done.set()
        await asyncio.gather(*tasks)
        assert reading == 6
