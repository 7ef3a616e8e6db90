"""The open subscriptions to feeds in this process, and how each of them delivers its items.

A subscription knows the last position that it delivered. It delivers a broadcast item at the next
position as it is, drops an item at an earlier position, and reads the database where positions are
missing. See docs/adr/0011.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from time import time
from typing import TypeVar
from uuid import UUID

from chassis.errors import StreamEnded, StreamSessionEnded, TokenExpired
from chassis.principal import Principal
from subgraphs.tweets.domain import FeedItem, FeedPage
from subgraphs.tweets.ports import EndedSessions

_BUFFER = 100
"""Broadcast items that may wait for one subscription. With more, it reads all from the database."""

_SESSION_CHECK = 0.2
"""Seconds between checks of `_end` while the ended sessions are not known up to now."""

K = TypeVar("K")


class Subscription:
    """An async iterator over a user's feed, in order, without gaps or repetitions.

    It ends by raising StreamEnded. It counts as open until `end`, `aclose` or an error.
    """

    def __init__(
        self,
        principal: Principal,
        read: Callable[[UUID, int], Awaitable[FeedPage]],
        sessions: EndedSessions,
        subscriptions: "Subscriptions",
    ) -> None:
        """Add the subscription to `subscriptions`. `read` reads the feed after a position."""
        self.owner_id = principal.user_id
        self.session_id = str(principal.session_id)
        self._read_page = read
        self._sessions = sessions
        self._subscriptions = subscriptions
        # `_position`: the last item ready or delivered. `_head`: the last that is known to exist.
        self._position = 0
        self._head = 0
        self._ready: deque[FeedItem] = deque()
        self._broadcast: deque[FeedItem] = deque()
        self._is_behind = False
        self._end: StreamEnded | None = None
        self._wake = asyncio.Event()
        lifetime = principal.expires_at.timestamp() - time()
        self._expiry = asyncio.get_running_loop().call_later(lifetime, self.end, TokenExpired())
        subscriptions.add(self)

    @property
    def buffered(self) -> int:
        """The number of broadcast items that wait for this subscription."""
        return len(self._broadcast)

    def start(self, position: int, head: int) -> None:
        """Deliver what follows `position`, in a feed whose last position is `head`."""
        self._position = self._head = position
        self.reconcile(head)

    def push(self, item: FeedItem) -> None:
        """Take an item that was broadcast."""
        self._head = max(self._head, item.position)
        if len(self._broadcast) < _BUFFER:
            self._broadcast.append(item)
            self._wake.set()
        else:
            self._fall_behind()

    def reconcile(self, head: int) -> None:
        """Let the next step read the database if `head` is beyond every position known here."""
        if self._head < head:
            self._fall_behind()

    def end(self, reason: StreamEnded) -> None:
        """Deliver no more items, and raise `reason` instead."""
        self._end = self._end or reason
        self._subscriptions.remove(self)
        self._wake.set()

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> FeedItem:
        try:
            while not self._ready:
                await self._prepare()
            await self._check_session()
            return self._ready.popleft()
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        self._expiry.cancel()
        self._subscriptions.remove(self)

    async def _prepare(self) -> None:
        """Do one step: wait for an item, take one, or read a page. May leave nothing ready."""
        if self._end:
            raise self._end
        if self._is_behind:
            await self._read()
        elif not self._broadcast:
            self._wake.clear()
            await self._wake.wait()
        elif (item := self._broadcast.popleft()).position == self._position + 1:
            self._ready.append(item)
            self._position = item.position
        elif item.position > self._position:
            await self._read()

    async def _read(self) -> None:
        self._is_behind = False
        page = await self._read_page(self.owner_id, self._position)
        self._ready += page.items
        self._position = page.position
        self._head = max(self._head, page.position)
        self._is_behind |= not page.is_last

    def _fall_behind(self) -> None:
        self._broadcast.clear()
        self._is_behind = True
        self._wake.set()

    async def _check_session(self) -> None:
        """Wait until the ended sessions are known up to now. Raises StreamEnded after `end`."""
        while not self._sessions.is_current and not self._end:
            with suppress(TimeoutError):
                async with asyncio.timeout(_SESSION_CHECK):
                    await self._sessions.current()
        if self._end:
            raise self._end


class Subscriptions:
    """The open subscriptions of this process, by the owner of the feed and by session."""

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
        """End the subscriptions of these sessions. None of them delivers an item after this."""
        for session_id in session_ids:
            for subscription in [*self._by_session.get(session_id, ())]:
                subscription.end(StreamSessionEnded())


def _remove(index: dict[K, set[Subscription]], key: K, subscription: Subscription) -> None:
    if members := index.get(key):
        members.discard(subscription)
        if not members:
            del index[key]
