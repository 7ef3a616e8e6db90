"""What a subscription gives out, with the database and the stream played by the test."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import NoReturn
from unittest.mock import Mock
from uuid import UUID

import pytest

from chassis.errors import BadUserInput, Interrupted, SessionEnded, TokenExpired
from chassis.principal import Principal
from subgraphs.tweets.domain import FeedItem
from subgraphs.tweets.feed import Feed, Subscription, Subscriptions
from subgraphs.tweets.service import TweetService
from tests.unit.tweets.fakes import ADA, BOB, FakeEndedSessions, FakeUnitOfWork

SESSION = UUID(int=1)


def principal(lifetime: float = 60.0, session_id: UUID = SESSION) -> Principal:
    return Principal(
        user_id=ADA.id,
        username=ADA.username,
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
    """Tweets, and tells the subscriptions if there is a feed."""
    tweet = await service.create_tweet(ADA, text)
    item = FeedItem.of(tweet, (await service.feed_heads([ADA.id]))[ADA.id])
    for subscription in feed.subscriptions.of(ADA.id) if feed else ():
        subscription.tell(item)
    return item


async def waiting(subscription: Subscription) -> asyncio.Task[FeedItem]:
    """Somebody who waits for the next item; nothing has come yet."""

    async def take() -> FeedItem:
        return await anext(subscription)

    task = asyncio.create_task(take())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    return task


async def take(subscription: Subscription, number: int) -> list[int]:
    """The places of the next items."""
    return [(await anext(subscription)).position for _ in range(number)]


class TestNews:
    async def test_begins_with_what_comes_after_subscribing(
        self, service: TweetService, feed: Feed
    ) -> None:
        await tweet(service)
        subscription = await feed.subscribe(principal())
        item = await tweet(service, feed)
        assert await anext(subscription) == item
        assert item.position == 2

    async def test_comes_to_who_waits(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        task = await waiting(subscription)
        assert await tweet(service, feed) == await task

    async def test_comes_to_every_device(self, service: TweetService, feed: Feed) -> None:
        devices = [await feed.subscribe(principal(session_id=UUID(int=n))) for n in range(3)]
        item = await tweet(service, feed)
        assert [await anext(device) for device in devices] == [item] * 3

    async def test_begins_after_the_given_place(self, service: TweetService, feed: Feed) -> None:
        for _ in range(3):
            await tweet(service)
        subscription = await feed.subscribe(principal(), after=1)
        await tweet(service, feed)
        assert await take(subscription, 3) == [2, 3, 4]
        await waiting(subscription)

    async def test_a_place_that_is_not_there_is_refused(self, feed: Feed) -> None:
        with pytest.raises(BadUserInput):
            await feed.subscribe(principal(), after=1)
        assert not feed.subscriptions.of(ADA.id)

    async def test_a_repetition_is_left_out(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        item = await tweet(service, feed)
        subscription.tell(item)
        await tweet(service, feed)
        assert await take(subscription, 2) == [1, 2]
        await waiting(subscription)

    async def test_what_the_stream_left_out_comes_in_its_place(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        await tweet(service, feed)
        await tweet(service)
        await tweet(service, feed)
        assert await take(subscription, 3) == [1, 2, 3]
        await waiting(subscription)

    async def test_what_the_stream_never_told_is_found_by_comparing(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        task = await waiting(subscription)
        await tweet(service)
        subscription.compare(1)
        assert (await task).position == 1
        subscription.compare(1)
        await waiting(subscription)

    async def test_who_does_not_read_for_long_misses_nothing(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        for _ in range(250):
            await tweet(service, feed)
        assert len(subscription._news) <= 100
        assert await take(subscription, 250) == [*range(1, 251)]
        await waiting(subscription)

    async def test_a_deleted_tweet_is_skipped(self, service: TweetService, feed: Feed) -> None:
        gone = await tweet(service)
        await tweet(service)
        await service.delete_tweet(ADA.id, gone.tweet.id)
        assert await take(await feed.subscribe(principal(), after=0), 1) == [2]

    async def test_somebody_elses_news_does_not_come(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        assert not feed.subscriptions.of(BOB.id)
        await service.create_tweet(BOB, "Ho")
        await waiting(subscription)


class TestEnd:
    async def test_the_session_ends(self, service: TweetService, feed: Feed) -> None:
        subscription = await feed.subscribe(principal())
        task = await waiting(subscription)
        feed.subscriptions.end_sessions([str(SESSION)])
        with pytest.raises(SessionEnded):
            await task
        assert not feed.subscriptions.of(ADA.id)

    async def test_what_had_come_before_is_not_given_out_any_more(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        await tweet(service, feed)
        feed.subscriptions.end_sessions([str(SESSION)])
        with pytest.raises(SessionEnded):
            await anext(subscription)

    async def test_other_sessions_go_on(
        self, service: TweetService, feed: Feed, subscription: Subscription
    ) -> None:
        feed.subscriptions.end_sessions([str(UUID(int=2))])
        item = await tweet(service, feed)
        assert await anext(subscription) == item

    async def test_one_that_is_over_is_refused(
        self, feed: Feed, sessions: FakeEndedSessions
    ) -> None:
        sessions.ended.add(str(SESSION))
        with pytest.raises(SessionEnded):
            await feed.subscribe(principal())
        assert not feed.subscriptions.of(ADA.id)

    async def test_the_token_expires(self, feed: Feed) -> None:
        subscription = await feed.subscribe(principal(lifetime=0.01))
        with pytest.raises(TokenExpired):
            await anext(subscription)
        assert not feed.subscriptions.of(ADA.id)

    async def test_one_that_is_closed_is_told_nothing(
        self, feed: Feed, subscription: Subscription
    ) -> None:
        await subscription.aclose()
        assert not feed.subscriptions.of(ADA.id)


class TestUncertainty:
    """While nobody knows which sessions have ended."""

    async def test_nothing_is_given_out(
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

    async def test_a_session_that_ended_meanwhile_gets_nothing(
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
        with pytest.raises(SessionEnded):
            await task


class TestInterruption:
    """The database is away."""

    async def test_who_needs_it_is_told_to_come_back(
        self,
        service: TweetService,
        feed: Feed,
        unit_of_work: FakeUnitOfWork,
        subscription: Subscription,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        await tweet(service)
        item = await tweet(service, feed)
        monkeypatch.setattr(unit_of_work, "read", away)
        with pytest.raises(Interrupted):
            await anext(subscription)
        with pytest.raises(Interrupted):
            await feed.subscribe(principal(), after=item.position)
        assert not feed.subscriptions.of(ADA.id)

    async def test_who_has_missed_nothing_does_not_notice(
        self,
        service: TweetService,
        feed: Feed,
        unit_of_work: FakeUnitOfWork,
        subscription: Subscription,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        task = await waiting(subscription)
        item = await tweet(service, feed)
        monkeypatch.setattr(unit_of_work, "read", away)
        assert await task == item


async def away(_: object) -> NoReturn:
    raise ConnectionError
