"""The items that a subscription delivers; the test plays the stream and the database."""

import asyncio
import gc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import NoReturn
from unittest.mock import Mock
from uuid import UUID
from weakref import ref

import pytest
from structlog.testing import capture_logs

from chassis.errors import BadUserInput, Interrupted, StreamSessionEnded, TokenExpired
from chassis.principal import Principal
from subgraphs.tweets.domain import Author, FeedItem
from subgraphs.tweets.feed import Feed
from subgraphs.tweets.service import TweetService
from subgraphs.tweets.subscriptions import Subscription, Subscriptions
from tests.unit.tweets.fakes import ADA, BOB, FakeEndedSessions, FakeUnitOfWork

SESSION = UUID(int=1)


def principal(
    lifetime: float = 60.0, session_id: UUID = SESSION, author: Author = ADA
) -> Principal:
    return Principal(
        user_id=author.id,
        username=author.username,
        scopes=frozenset({"tweets:read"}),
        session_id=session_id,
        expires_at=datetime.now(UTC) + timedelta(seconds=lifetime),
    )


@pytest.fixture
def sessions() -> FakeEndedSessions:
    return FakeEndedSessions()


@pytest.fixture
def feed(service: TweetService, sessions: FakeEndedSessions) -> Feed:
    return Feed(Mock(), service, Subscriptions(), sessions)


@pytest.fixture
async def subscription(feed: Feed) -> AsyncIterator[Subscription]:
    subscription = await feed.subscribe(principal())
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
        subscription = await feed.subscribe(principal())
        item = await tweet(service, feed)
        assert await anext(subscription) == item
        assert item.position == 2

    async def test_waiting_subscription_gets_a_broadcast_item(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        task = await waiting(subscription)
        assert await tweet(service, feed) == await task

    async def test_every_device_gets_the_item(self, service: TweetService, feed: Feed) -> None:
        devices = [await feed.subscribe(principal(session_id=UUID(int=n))) for n in range(3)]
        item = await tweet(service, feed)
        assert [await anext(device) for device in devices] == [item] * 3

    async def test_items_after_the_given_position_are_delivered(
        self, service: TweetService, feed: Feed
    ) -> None:
        for _ in range(3):
            await tweet(service)
        subscription = await feed.subscribe(principal(), after=1)
        await tweet(service, feed)
        assert await take(subscription, 3) == [2, 3, 4]
        await waiting(subscription)

    async def test_last_position_is_accepted(self, service: TweetService, feed: Feed) -> None:
        item = await tweet(service)
        subscription = await feed.subscribe(principal(), after=item.position)
        await waiting(subscription)

    async def test_position_beyond_the_head_is_refused(self, feed: Feed) -> None:
        with pytest.raises(BadUserInput):
            await feed.subscribe(principal(), after=1)
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
        assert await take(await feed.subscribe(principal(), after=0), 1) == [2]

    async def test_items_of_another_user_are_not_delivered(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        assert not feed.subscriptions.of(BOB.id)
        await service.create_tweet(BOB, "Ho")
        await waiting(subscription)


class TestEnd:
    async def test_end_of_the_session_ends_the_subscription(self, feed: Feed) -> None:
        subscription = await feed.subscribe(principal())
        task = await waiting(subscription)
        feed.subscriptions.end_sessions([str(SESSION)])
        with pytest.raises(StreamSessionEnded):
            await task
        assert not feed.subscriptions.of(ADA.id)

    async def test_buffered_item_is_not_delivered_after_the_session(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        await tweet(service, feed)
        feed.subscriptions.end_sessions([str(SESSION)])
        assert not feed.subscriptions.of(ADA.id)
        with pytest.raises(StreamSessionEnded):
            await anext(subscription)

    async def test_ready_item_is_not_delivered_after_the_session(
        self, service: TweetService, feed: Feed
    ) -> None:
        for _ in range(2):
            await tweet(service)
        subscription = await feed.subscribe(principal(), after=0)
        await anext(subscription)
        feed.subscriptions.end_sessions([str(SESSION)])
        with pytest.raises(StreamSessionEnded):
            await anext(subscription)

    async def test_first_reason_is_raised(self, feed: Feed, subscription: Subscription) -> None:
        subscription.end(StreamSessionEnded())
        subscription.end(TokenExpired())
        with pytest.raises(StreamSessionEnded):
            await anext(subscription)

    async def test_every_subscription_of_the_session_ends(self, feed: Feed) -> None:
        subscriptions = [await feed.subscribe(principal()) for _ in range(2)]
        feed.subscriptions.end_sessions([str(SESSION)])
        for subscription in subscriptions:
            with pytest.raises(StreamSessionEnded):
                await anext(subscription)

    async def test_other_sessions_continue(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        feed.subscriptions.end_sessions([str(UUID(int=2))])
        item = await tweet(service, feed)
        assert await anext(subscription) == item

    async def test_ended_session_is_refused(self, feed: Feed, sessions: FakeEndedSessions) -> None:
        sessions.ended.add(str(SESSION))
        with pytest.raises(StreamSessionEnded):
            await feed.subscribe(principal())
        assert not feed.subscriptions.of(ADA.id)

    async def test_expiry_of_the_token_ends_the_subscription(self, feed: Feed) -> None:
        subscription = await feed.subscribe(principal(lifetime=0.01))
        with pytest.raises(TokenExpired):
            await anext(subscription)
        assert not feed.subscriptions.of(ADA.id)

    async def test_closed_subscription_is_not_open(
        self, feed: Feed, subscription: Subscription
    ) -> None:
        await subscription.aclose()
        assert not feed.subscriptions.of(ADA.id)

    async def test_closed_subscription_is_freed_before_its_token_expires(self, feed: Feed) -> None:
        subscription = await feed.subscribe(principal())
        await subscription.aclose()
        reference = ref(subscription)
        del subscription
        gc.collect()
        assert reference() is None


class TestOpenSubscriptions:
    async def test_are_counted_and_listed_by_owner(self, feed: Feed) -> None:
        ada = [await feed.subscribe(principal(session_id=UUID(int=n))) for n in range(2)]
        bob = await feed.subscribe(principal(author=BOB))
        assert len(feed.subscriptions) == 3
        assert set(feed.subscriptions.of(ADA.id)) == set(ada)
        assert set(feed.subscriptions.owners) == {ADA.id, BOB.id}
        await bob.aclose()
        await ada[0].aclose()
        assert len(feed.subscriptions) == 1
        assert set(feed.subscriptions.owners) == {ADA.id}


class TestUncertainSessions:
    """While this process may not know every ended session."""

    async def test_item_waits(
        self,
        service: TweetService,
        feed: Feed,
        sessions: FakeEndedSessions,
        subscription: Subscription,
    ) -> None:
        sessions.known.clear()
        item = await tweet(service, feed)
        task = await waiting(subscription)
        sessions.known.set()
        assert await task == item

    async def test_session_that_ended_meanwhile_gets_no_item(
        self,
        service: TweetService,
        feed: Feed,
        sessions: FakeEndedSessions,
        subscription: Subscription,
    ) -> None:
        sessions.known.clear()
        await tweet(service, feed)
        task = await waiting(subscription)
        feed.subscriptions.end_sessions([str(SESSION)])
        sessions.known.set()
        with pytest.raises(StreamSessionEnded):
            await task

    async def test_end_is_raised_while_the_sessions_stay_uncertain(
        self,
        service: TweetService,
        feed: Feed,
        sessions: FakeEndedSessions,
        subscription: Subscription,
    ) -> None:
        sessions.known.clear()
        await tweet(service, feed)
        task = await waiting(subscription)
        feed.subscriptions.end_sessions([str(SESSION)])
        with pytest.raises(StreamSessionEnded):
            await task


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
                await feed.subscribe(principal(), after=item.position)
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
