"""The live feeds: one reader of the stream in each process, whatever the number of subscribers.

The database is what a feed is made of; the stream only says sooner what is new. Each piece of a
feed has a place, and the places count up by one: so a subscriber sees at once when it has missed
something, and reads it from the database. See docs/adr/0011.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from time import time
from typing import Any, TypeVar
from uuid import UUID

import structlog
from redis.asyncio import Redis

from chassis.background import Backoff, running
from chassis.database import UNAVAILABLE
from chassis.errors import BadUserInput, Interrupted, SessionEnded, StreamEnded, TokenExpired
from chassis.events import Event, MalformedEventError
from chassis.principal import Principal
from chassis.streams import FIELD, INFRASTRUCTURE
from subgraphs.tweets.domain import FeedItem, FeedPage
from subgraphs.tweets.events import STREAM, feed_item
from subgraphs.tweets.ports import EndedSessions
from subgraphs.tweets.service import TweetService

KEPT = 10.0
"""Seconds for which the stream keeps what its groups have read already: this is no group."""

_BUFFER = 100
"""Pieces of news that wait for one subscription; what comes then is read from the database."""

_COMPARE = 5.0
"""Seconds between looks whether the stream has told everything."""

_READERS = 4
"""Subscriptions that read the database at the same time, so that a crowd leaves room for others."""

_AT_ONCE = 100
"""Subscriptions that are told something in one turn of the loop."""

_BLOCK = 2000  # milliseconds, well below the client's time-out
_LOOK = 0.2  # seconds
_log = structlog.get_logger("tweets.feed")

K = TypeVar("K")


class Subscription:
    """An async iterator of what is new in somebody's feed, in order, without gap or repetition.

    It ends by raising StreamEnded. It counts as open until it is closed or has raised something.
    """

    def __init__(self, principal: Principal, feed: "Feed") -> None:
        self.owner_id = principal.user_id
        self.session_id = str(principal.session_id)
        self.told = 0
        """The last place of the feed that this subscription knows of."""
        self._feed = feed
        self._position = 0
        self._news: deque[FeedItem] = deque()
        self._is_behind = False
        self._end: StreamEnded | None = None
        self._wake = asyncio.Event()
        # What is ready to be given out, up to `_position`.
        self._ready: deque[FeedItem] = deque()
        lifetime = principal.expires_at.timestamp() - time()
        self._expiry = asyncio.get_running_loop().call_later(lifetime, self.end, TokenExpired())
        feed.subscriptions.add(self)

    def begin(self, position: int, head: int) -> None:
        """What follows `position` is news; the feed reaches until `head`."""
        self._position = self.told = position
        self.compare(head)

    def tell(self, item: FeedItem) -> None:
        self.told = max(self.told, item.position)
        if len(self._news) < _BUFFER:
            self._news.append(item)
            self._wake.set()
        else:
            self._fall_behind()

    def compare(self, head: int) -> None:
        """The feed reaches until `head`: if nobody told, it has to be read."""
        if self.told < head:
            self._fall_behind()

    def end(self, reason: StreamEnded) -> None:
        """Nothing more is given out, and nothing more is told to it."""
        self._end = self._end or reason
        self._feed.subscriptions.remove(self)
        self._wake.set()

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> FeedItem:
        try:
            while not self._ready:
                await self._get_ready()
            await self._until_sure()
            return self._ready.popleft()
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        self._expiry.cancel()
        self._feed.subscriptions.remove(self)

    async def _get_ready(self) -> None:
        if self._end:
            raise self._end
        if self._is_behind:
            await self._read()
        elif not self._news:
            self._wake.clear()
            await self._wake.wait()
        elif (item := self._news.popleft()).position == self._position + 1:
            self._ready.append(item)
            self._position = item.position
        elif item.position > self._position:
            await self._read()

    async def _read(self) -> None:
        self._is_behind = False
        page = await self._feed.read(self.owner_id, self._position)
        self._ready += page.items
        self._position = page.position
        self.told = max(self.told, page.position)
        self._is_behind |= not page.is_last

    def _fall_behind(self) -> None:
        self._news.clear()
        self._is_behind = True
        self._wake.set()

    async def _until_sure(self) -> None:
        """Returns when it is known that the session goes on. Raises StreamEnded if it does not."""
        while not self._feed.sessions.is_current and not self._end:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._feed.sessions.current()
        if self._end:
            raise self._end


class Subscriptions:
    """The open ones of this process."""

    def __init__(self) -> None:
        self._by_owner: dict[UUID, set[Subscription]] = {}
        self._by_session: dict[str, set[Subscription]] = {}

    def add(self, subscription: Subscription) -> None:
        self._by_owner.setdefault(subscription.owner_id, set()).add(subscription)
        self._by_session.setdefault(subscription.session_id, set()).add(subscription)

    def remove(self, subscription: Subscription) -> None:
        _remove(self._by_owner, subscription.owner_id, subscription)
        _remove(self._by_session, subscription.session_id, subscription)

    def __len__(self) -> int:
        return sum(map(len, self._by_owner.values()))

    def of(self, owner_id: UUID) -> Collection[Subscription]:
        return self._by_owner.get(owner_id, ())

    @property
    def owners(self) -> Collection[UUID]:
        return self._by_owner.keys()

    def end_sessions(self, session_ids: Collection[str]) -> None:
        """From here on no subscription of these sessions gives out anything."""
        for session_id in session_ids:
            for subscription in [*self._by_session.get(session_id, ())]:
                subscription.end(SessionEnded())


def _remove(index: dict[K, set[Subscription]], key: K, subscription: Subscription) -> None:
    if members := index.get(key):
        members.discard(subscription)
        if not members:
            del index[key]


@contextmanager
def _interrupting() -> Iterator[None]:
    """A subscriber comes back by itself when the database does."""
    try:
        yield
    except UNAVAILABLE as error:
        _log.warning("a feed cannot be read", reason=repr(error))
        raise Interrupted from error


class Feed:
    """Tells each subscription what is new.

    Nothing is given out while it is not known which sessions have ended.
    """

    def __init__(
        self,
        redis: Redis,
        tweets: TweetService,
        subscriptions: Subscriptions,
        sessions: EndedSessions,
        delivered: Callable[[datetime], None] = lambda _: None,
    ) -> None:
        """`delivered` is told when an event was that has just been handed to subscriptions."""
        self.subscriptions = subscriptions
        self._delivered = delivered
        self.sessions = sessions
        self._redis = redis
        self._tweets = tweets
        self._following = Backoff(f"following {STREAM}")
        self._turn = asyncio.Semaphore(_READERS)
        # Whoever compares meanwhile would take those for behind whose turn is yet to come.
        self._telling = asyncio.Lock()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follows the stream while the block runs, whatever becomes of Redis and the database."""
        following = self._following.retry_forever(self._follow, INFRASTRUCTURE)
        async with running(following), running(self._keep_comparing()):
            yield

    async def subscribe(self, principal: Principal, after: int | None = None) -> Subscription:
        """What comes in the principal's feed from now on, or from the place `after`.

        Raises StreamEnded for a session that is over or a database that is away, BadUserInput for a
        place that is not there.
        """
        # It is listed first, so that nothing comes unnoticed between a look and the listing.
        subscription = Subscription(principal, self)
        try:
            await self._begin(subscription, after)
        except BaseException:
            await subscription.aclose()
            raise
        return subscription

    async def read(self, owner_id: UUID, after: int) -> FeedPage:
        with _interrupting():
            async with self._turn:
                return await self._tweets.feed(owner_id, after)

    async def _begin(self, subscription: Subscription, after: int | None) -> None:
        if self.sessions.has_ended(subscription.session_id):
            raise SessionEnded
        owner_id = subscription.owner_id
        with _interrupting():
            async with self._turn:
                head = (await self._tweets.feed_heads([owner_id]))[owner_id]
        if after is not None and after > head:
            raise BadUserInput("`after` is not a cursor of this feed.")
        subscription.begin(head if after is None else after, head)

    async def _follow(self) -> None:
        newest: Any = await self._redis.xrevrange(STREAM, count=1)
        position: str = newest[0][0] if newest else "0-0"
        # What the stream told until here, while nobody listened.
        await self._compare()
        while True:
            answer: Any = await self._redis.xread({STREAM: position}, count=1000, block=_BLOCK)
            self._following.reset()
            for _, entries in answer:
                for entry_id, fields in entries:
                    async with self._telling:
                        await self._tell(fields.get(FIELD, ""))
                    position = entry_id

    async def _tell(self, text: str) -> None:
        try:
            event = Event.from_json(text)
            item = feed_item(event)
        except MalformedEventError as error:
            _log.error("an event of ours cannot be read", reason=str(error))
            return
        if item and (subscriptions := [*self.subscriptions.of(item.tweet.author.id)]):
            for number, subscription in enumerate(subscriptions, start=1):
                subscription.tell(item)
                # A crowd is not to keep everybody else waiting, nor this process from hearing
                # which sessions have ended.
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)
            self._delivered(event.time)

    async def _keep_comparing(self) -> None:
        """Finds what the stream did not tell, or had dropped before it was read."""
        outage = Backoff("comparing feeds with the database")
        while True:
            await asyncio.sleep(_COMPARE)
            try:
                await self._compare()
            except Exception as error:
                await outage.wait(error)
            else:
                outage.reset()

    async def _compare(self) -> None:
        heads = await self._tweets.feed_heads([*self.subscriptions.owners])
        async with self._telling:
            for owner_id, head in heads.items():
                for subscription in self.subscriptions.of(owner_id):
                    subscription.compare(head)
