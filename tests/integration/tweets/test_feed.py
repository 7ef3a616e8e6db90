"""The feed on a real PostgreSQL and a Valkey that is killed: no gaps and no repetitions."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from uuid_utils.compat import uuid7

from chassis.database import Database
from chassis.outbox import OutboxRelay
from chassis.streams import connect
from chassis.text import count_characters, is_visible
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.tweets.domain import Author, FeedItem, FeedKind
from subgraphs.tweets.events import STREAM
from subgraphs.tweets.feed import KEPT_SECONDS, Feed
from subgraphs.tweets.repository import SqlRepositories
from subgraphs.tweets.service import TweetService
from subgraphs.tweets.subscriptions import Subscription, Subscriptions
from tests.integration.conftest import Server
from tests.unit.tweets.fakes import ADA, BOB, CAT


class Replica:
    """The parts of one process of the service that feeds need."""

    def __init__(self, database: Database, url: str) -> None:
        self._redis = connect(url)
        self._relay = OutboxRelay(database, self._redis, STREAM, groups=(), keep=KEPT_SECONDS)
        self.service = TweetService(
            unit_of_work=SqlUnitOfWork(database, SqlRepositories.on, self._relay.wake),
            count_characters=count_characters,
            is_visible=is_visible,
            now=lambda: datetime.now(UTC),
            new_id=uuid7,
        )
        self.feed = Feed(self._redis, self.service, Subscriptions())

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Replica"]:
        async with self._redis, self._relay.running(), self.feed.running():
            yield self


@pytest.fixture
async def replicas(database: Database, server: Server) -> AsyncIterator[list[Replica]]:
    async with AsyncExitStack() as stack:
        made = [Replica(database, server.url) for _ in range(2)]
        yield [await stack.enter_async_context(replica.running()) for replica in made]


async def take(subscription: Subscription, number: int) -> list[FeedItem]:
    async with asyncio.timeout(30):
        return [await anext(subscription) for _ in range(number)]


async def is_idle(subscription: Subscription) -> bool:
    """Return whether no item arrives. A broadcast item would arrive within milliseconds."""
    try:
        async with asyncio.timeout(0.2):
            await anext(subscription)
    except TimeoutError:
        return True
    return False


async def test_item_reaches_the_subscriptions_of_every_process(replicas: list[Replica]) -> None:
    here, there = replicas
    subscriptions = [await replica.feed.subscribe(ADA.id) for replica in replicas]
    tweet = await here.service.create_tweet(ADA, "Hi")
    for subscription in subscriptions:
        assert await take(subscription, 1) == [FeedItem(1, FeedKind.TWEETED, ADA, tweet)]
    retweet = await there.service.retweet(BOB, tweet.id)
    for subscription in subscriptions:
        assert await take(subscription, 1) == [
            FeedItem(2, FeedKind.RETWEETED, BOB, retweet.original)
        ]
        assert await is_idle(subscription)


async def test_items_of_a_valkey_outage_are_delivered_in_order(
    replicas: list[Replica], server: Server
) -> None:
    here, there = replicas
    async with aclosing(await there.feed.subscribe(ADA.id)) as subscription:
        tweets = [await here.service.create_tweet(ADA, "before")]
        assert [item.tweet for item in await take(subscription, 1)] == tweets
        server.lose_data()
        missed = [await here.service.create_tweet(ADA, f"{n}") for n in range(150)]
        server.start()
        after = await here.service.create_tweet(ADA, "after")
        items = await take(subscription, 151)
    assert [item.tweet for item in items] == [*missed, after]
    assert [item.position for item in items] == [*range(2, 153)]


@dataclass
class Storm:
    """Users tweet, retweet and watch their feeds in every process."""

    replicas: list[Replica]
    users: list[Author]
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    is_over: bool = False

    async def write(self, replica: Replica) -> None:
        for _ in range(80):
            tweet = await replica.service.create_tweet(self.chance.choice(self.users), "Hi")
            retweeters = [self.chance.choice(self.users) for _ in range(2)]
            await asyncio.gather(*(replica.service.retweet(r, tweet.id) for r in retweeters))
            await asyncio.sleep(self.chance.uniform(0, 0.01))

    async def watch(self, user: Author) -> list[int]:
        """Return the positions seen by a user who reconnects again and again, to any process."""
        seen = [0]
        while not (self.is_over and seen[-1] == await self.head(user)):
            feed = self.chance.choice(self.replicas).feed
            async with aclosing(await feed.subscribe(user.id, seen[-1])) as subscription:
                with suppress(TimeoutError):
                    for _ in range(self.chance.randrange(1, 40)):
                        async with asyncio.timeout(0.5):
                            seen.append((await anext(subscription)).position)
        return seen

    async def head(self, user: Author) -> int:
        return (await self.replicas[0].service.feed_heads([user.id]))[user.id]


async def test_every_watcher_sees_every_position_while_valkey_is_killed(
    replicas: list[Replica], server: Server
) -> None:
    storm = Storm(replicas, [ADA, BOB, CAT])
    async with asyncio.TaskGroup() as group:
        watchers = [(u, group.create_task(storm.watch(u))) for u in storm.users * 3]
        writers = [group.create_task(storm.write(replica)) for replica in replicas]
        for _ in range(4):
            await asyncio.sleep(0.3)
            server.kill()
            await asyncio.to_thread(server.start)
        await asyncio.gather(*writers)
        storm.is_over = True
    for user, watcher in watchers:
        assert watcher.result() == [*range(await storm.head(user) + 1)]
