"""The live feeds: one reader of the event stream in each process, for any number of subscriptions.

A feed is made of rows in the database, at positions that count up by one; the stream only delivers
new items sooner. A subscription recognises a missed item by its position, and reads it from the
database. See docs/adr/0011.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from redis.asyncio import Redis

from chassis.background import Backoff, running
from chassis.database import UNAVAILABLE
from chassis.errors import BadUserInput
from chassis.events import Event, MalformedEventError
from chassis.streams import FIELD, INFRASTRUCTURE
from graphql_streams import Interrupted
from subgraphs.tweets.domain import FeedPage
from subgraphs.tweets.events import STREAM, feed_item
from subgraphs.tweets.service import TweetService
from subgraphs.tweets.subscriptions import Subscription, Subscriptions

KEPT_SECONDS = 10.0
"""How long the stream keeps entries that all its groups have acked. The feed reads without a group,
so the stream does not wait for it."""

_RECONCILE_SECONDS = 5.0
_BLOCK_MILLISECONDS = 2000  # well below the time-out of the Redis client

_READERS = 4
"""Concurrent database reads of all subscriptions. More would leave requests no connection."""

_BATCH = 100
"""Subscriptions that get an item in one turn of the event loop."""

NOT_A_CURSOR = (
    "`after` is not a cursor of your feed. Use the `cursor` of an item, or `tweetFeedCursor`."
)

_log = structlog.get_logger("tweets.feed")


class Feed:
    """Delivers new items to the open subscriptions."""

    def __init__(
        self,
        redis: Redis,
        service: TweetService,
        subscriptions: Subscriptions,
        record: Callable[[datetime], None] = lambda _: None,
        *,
        reconcile_every: float = _RECONCILE_SECONDS,
    ) -> None:
        """`record` gets the time of each event that was broadcast to subscriptions.

        `reconcile_every` is in seconds.
        """
        self.subscriptions = subscriptions
        self._redis = redis
        self._service = service
        self._record = record
        self._reconcile_every = reconcile_every
        self._following = Backoff("follow feeds", stream=STREAM)
        self._readers = asyncio.Semaphore(_READERS)
        self._pushed = 0
        # Reconciling during a broadcast would mark subscriptions as behind whose item is about to
        # arrive.
        self._broadcasting = asyncio.Lock()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the stream inside the block; outages of Redis and the database are waited out."""
        following = self._following.retry_forever(self._follow, INFRASTRUCTURE)
        async with running(following, self._keep_reconciling()):
            yield

    async def subscribe(self, owner_id: UUID, after: int | None = None) -> Subscription:
        """Subscribe to what follows the position `after`, or to what is new from now on.

        Raises Interrupted if the database is unavailable, BadUserInput for a position that the feed
        does not have.
        """
        # It is registered before the head is read, so that no item is missed in between.
        subscription = Subscription(owner_id, self._read, self.subscriptions)
        try:
            await self._start(subscription, after)
        except BaseException:
            await subscription.aclose()
            raise
        return subscription

    async def _start(self, subscription: Subscription, after: int | None) -> None:
        owner_id = subscription.owner_id
        with _interrupting():
            async with self._readers:
                head = (await self._service.feed_heads([owner_id]))[owner_id]
        if after is not None and after > head:
            raise BadUserInput(NOT_A_CURSOR)
        subscription.start(head if after is None else after, head)

    async def _read(self, owner_id: UUID, after: int) -> FeedPage:
        with _interrupting():
            async with self._readers:
                return await self._service.feed(owner_id, after)

    async def _follow(self) -> None:
        newest: Any = await self._redis.xrevrange(STREAM, count=1)
        last_id: str = newest[0][0] if newest else "0-0"
        # Entries up to `last_id` are not read from the stream: this finds their items.
        await self._reconcile()
        while True:
            answer: Any = await self._redis.xread(
                {STREAM: last_id}, count=1000, block=_BLOCK_MILLISECONDS
            )
            self._following.reset()
            for _, entries in answer:
                for entry_id, fields in entries:
                    async with self._broadcasting:
                        await self._broadcast(fields.get(FIELD, ""))
                    last_id = entry_id

    async def _broadcast(self, text: str) -> None:
        try:
            event = Event.from_json(text)
            item = feed_item(event)
        except MalformedEventError as error:
            _log.error("malformed event", stream=STREAM, reason=str(error))
            return
        if item and (subscriptions := [*self.subscriptions.of(item.tweet.author.id)]):
            for subscription in subscriptions:
                subscription.push(item)
                # Other subscriptions, and the news of ended sessions, must not wait for a feed with
                # very many subscriptions, or for very many events.
                self._pushed += 1
                if self._pushed % _BATCH == 0:
                    await asyncio.sleep(0)
            self._record(event.time)

    async def _keep_reconciling(self) -> None:
        await Backoff("reconcile feeds").repeat(self._reconcile, self._reconcile_every)

    async def _reconcile(self) -> None:
        """Make subscriptions read what the stream did not deliver, or trimmed too early."""
        heads = await self._service.feed_heads([*self.subscriptions.owners])
        async with self._broadcasting:
            for owner_id, head in heads.items():
                for subscription in self.subscriptions.of(owner_id):
                    subscription.reconcile(head)


@contextmanager
def _interrupting() -> Iterator[None]:
    """Raise Interrupted if the database is unavailable, so that the client resubscribes."""
    try:
        yield
    except UNAVAILABLE as error:
        _log.warning("feed unavailable", reason=repr(error))
        raise Interrupted from error
