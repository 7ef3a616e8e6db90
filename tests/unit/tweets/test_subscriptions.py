"""The items that a subscription delivers; the test plays the stream and the database."""

import asyncio
from collections.abc import AsyncIterator
from typing import NoReturn
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from chassis.errors import BadUserInput
from graphql_streams import Interrupted
from subgraphs.tweets.domain import FeedItem
from subgraphs.tweets.feed import Feed
from subgraphs.tweets.service import TweetService
from subgraphs.tweets.subscriptions import Subscription, Subscriptions
from tests.unit.tweets.fakes import ADA, BOB, FakeUnitOfWork


@pytest.fixture
def feed(service: TweetService) -> Feed:
    return Feed(Mock(), service, Subscriptions())


@pytest.fixture
async def subscription(feed: Feed) -> AsyncIterator[Subscription]:
    subscription = await feed.subscribe(ADA.id)
    yield subscription
    await subscription.aclose()


async def tweet(service: TweetService, feed: Feed | None = None, text: str = "Hi") -> FeedItem:
    """Create a tweet, and push it to the subscriptions of `feed`."""
    tweet = await service.create_tweet(ADA, text)
    item = FeedItem.of(tweet, (await service.feed_heads([ADA.id]))[ADA.id])
    for subscription in feed.subscriptions.of(ADA.id) if feed else ():
        subscription.push(item)
    return item


async def waiting(subscription: Subscription) -> asyncio.Task[FeedItem]:
    """Return a task that waits for the next item, which is not there yet."""

    async def take() -> FeedItem:
        return await anext(subscription)

    task = asyncio.create_task(take())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    return task


async def take(subscription: Subscription, number: int) -> list[int]:
    """Return the positions of the next items."""
    return [(await anext(subscription)).position for _ in range(number)]


class TestItems:
    async def test_earlier_items_are_not_delivered(self, service: TweetService, feed: Feed) -> None:
        await tweet(service)
        subscription = await feed.subscribe(ADA.id)
        item = await tweet(service, feed)
        assert await anext(subscription) == item
        assert item.position == 2

    async def test_waiting_subscription_gets_a_broadcast_item(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        task = await waiting(subscription)
        assert await tweet(service, feed) == await task

    async def test_every_device_gets_the_item(self, service: TweetService, feed: Feed) -> None:
        devices = [await feed.subscribe(ADA.id) for _ in range(3)]
        item = await tweet(service, feed)
        assert [await anext(device) for device in devices] == [item] * 3

    async def test_items_after_the_given_position_are_delivered(
        self, service: TweetService, feed: Feed
    ) -> None:
        for _ in range(3):
            await tweet(service)
        subscription = await feed.subscribe(ADA.id, after=1)
        await tweet(service, feed)
        assert await take(subscription, 3) == [2, 3, 4]
        await waiting(subscription)

    async def test_last_position_is_accepted(self, service: TweetService, feed: Feed) -> None:
        item = await tweet(service)
        subscription = await feed.subscribe(ADA.id, after=item.position)
        await waiting(subscription)

    async def test_position_beyond_the_head_is_refused(self, feed: Feed) -> None:
        with pytest.raises(BadUserInput):
            await feed.subscribe(ADA.id, after=1)
        assert not feed.subscriptions.of(ADA.id)

    async def test_repeated_item_is_dropped(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        item = await tweet(service, feed)
        subscription.push(item)
        await tweet(service, feed)
        assert await take(subscription, 2) == [1, 2]
        await waiting(subscription)

    async def test_item_missing_from_the_stream_is_delivered_in_order(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        await tweet(service, feed)
        await tweet(service)
        await tweet(service, feed)
        assert await take(subscription, 3) == [1, 2, 3]
        await waiting(subscription)

    async def test_reconciling_finds_an_item_missing_from_the_stream(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        task = await waiting(subscription)
        await tweet(service)
        subscription.reconcile(1)
        assert (await task).position == 1
        subscription.reconcile(1)
        await waiting(subscription)

    async def test_reconciling_a_current_subscription_reads_nothing(
        self,
        service: TweetService,
        feed: Feed,
        unit_of_work: FakeUnitOfWork,
        subscription: Subscription,
    ) -> None:
        item = await tweet(service, feed)
        reads = unit_of_work.reads
        subscription.reconcile(item.position)
        assert await anext(subscription) == item
        await waiting(subscription)
        assert unit_of_work.reads == reads

    async def test_slow_subscriber_misses_nothing(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        for _ in range(250):
            await tweet(service, feed)
        assert await take(subscription, 250) == [*range(1, 251)]
        await waiting(subscription)

    async def test_at_most_100_items_are_buffered(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        for _ in range(100):
            await tweet(service, feed)
        assert subscription.buffered == 100
        await tweet(service, feed)
        assert subscription.buffered == 0

    async def test_deleted_tweet_is_skipped(self, service: TweetService, feed: Feed) -> None:
        deleted = await tweet(service)
        await tweet(service)
        await service.delete_tweet(ADA.id, deleted.tweet.id)
        assert await take(await feed.subscribe(ADA.id, after=0), 1) == [2]

    async def test_items_of_another_user_are_not_delivered(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        assert not feed.subscriptions.of(BOB.id)
        await service.create_tweet(BOB, "Ho")
        await waiting(subscription)


class TestAttach:
    @pytest.fixture
    def taken(self, subscription: Subscription) -> list[FeedItem]:
        """The items that are taken from the subscription, which are all that it offers."""
        taken: list[FeedItem] = []

        def accept(item: FeedItem) -> bool:
            taken.append(item)
            return True

        subscription.attach(accept)
        return taken

    async def test_waiting_reader_gets_no_item_that_is_taken(
        self,
        service: TweetService,
        feed: Feed,
        subscription: Subscription,
        taken: list[FeedItem],
    ) -> None:
        task = await waiting(subscription)
        items = [await tweet(service, feed) for _ in range(3)]
        assert taken == items
        assert not task.done()
        subscription.attach(lambda _: False)
        assert await tweet(service, feed) == await task

    async def test_item_is_not_taken_before_the_reader_waits(
        self,
        service: TweetService,
        feed: Feed,
        subscription: Subscription,
        taken: list[FeedItem],
    ) -> None:
        await tweet(service, feed)
        task = asyncio.create_task(take(subscription, 1))
        await tweet(service, feed)
        assert await task == [1]
        await tweet(service, feed)
        assert await take(subscription, 2) == [2, 3]
        assert taken == []

    async def test_item_that_is_refused_comes_before_the_next(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        asked: list[int] = []

        def refuse_once(item: FeedItem) -> bool:
            asked.append(item.position)
            return item.position != 1

        subscription.attach(refuse_once)
        task = await waiting(subscription)
        for _ in range(3):
            await tweet(service, feed)
        assert (await task).position == 1
        assert await take(subscription, 2) == [2, 3]
        assert asked == [1]

    async def test_gap_is_read_and_not_taken(
        self,
        service: TweetService,
        feed: Feed,
        subscription: Subscription,
        taken: list[FeedItem],
    ) -> None:
        task = await waiting(subscription)
        await tweet(service)
        await tweet(service, feed)
        assert (await task).position == 1
        assert await take(subscription, 1) == [2]
        assert taken == []

    async def test_repetition_of_a_taken_item_is_dropped(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        subscription.attach(lambda _: True)
        task = await waiting(subscription)
        item = await tweet(service, feed)
        subscription.push(item)
        subscription.reconcile(item.position)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not task.done()
        task.cancel()


class TestClose:
    async def test_closed_subscription_is_not_open(
        self, feed: Feed, subscription: Subscription
    ) -> None:
        await subscription.aclose()
        assert not feed.subscriptions.of(ADA.id)


class TestOpenSubscriptions:
    async def test_are_counted_and_listed_by_owner(self, feed: Feed) -> None:
        ada = [await feed.subscribe(ADA.id) for _ in range(2)]
        bob = await feed.subscribe(BOB.id)
        assert len(feed.subscriptions) == 3
        assert set(feed.subscriptions.of(ADA.id)) == set(ada)
        assert set(feed.subscriptions.owners) == {ADA.id, BOB.id}
        await bob.aclose()
        await ada[0].aclose()
        assert len(feed.subscriptions) == 1
        assert set(feed.subscriptions.owners) == {ADA.id}


class TestDatabaseOutage:
    async def test_read_interrupts_the_subscription(
        self,
        service: TweetService,
        feed: Feed,
        unit_of_work: FakeUnitOfWork,
        subscription: Subscription,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        await tweet(service)
        item = await tweet(service, feed)
        monkeypatch.setattr(unit_of_work, "read", unavailable)
        with capture_logs() as log:
            with pytest.raises(Interrupted):
                await anext(subscription)
            with pytest.raises(Interrupted):
                await feed.subscribe(ADA.id, after=item.position)
        assert [entry["event"] for entry in log] == ["feed unavailable"] * 2
        assert not feed.subscriptions.of(ADA.id)

    async def test_subscription_without_a_gap_continues(
        self,
        service: TweetService,
        feed: Feed,
        unit_of_work: FakeUnitOfWork,
        subscription: Subscription,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        task = await waiting(subscription)
        item = await tweet(service, feed)
        monkeypatch.setattr(unit_of_work, "read", unavailable)
        assert await task == item


async def unavailable(_: object) -> NoReturn:
    raise ConnectionError
