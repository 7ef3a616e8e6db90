"""The open subscriptions to feeds in this process, and how each of them delivers its items.

A subscription knows the last position that it delivered. It delivers a broadcast item at the next
position as it is, drops an item at an earlier position, and reads the database where positions are
missing. See docs/adr/0011.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from uuid import UUID

from subgraphs.tweets.domain import FeedItem, FeedPage

_BUFFER = 100
"""Broadcast items that may wait for one subscription. With more, it reads all from the database."""


class Subscription:
    """An async iterator over a user's feed, in order, without gaps or repetitions.

    It counts as open until `aclose` or an error. Tokens and sessions are the transport's concern.
    """

    def __init__(
        self,
        owner_id: UUID,
        read: Callable[[UUID, int], Awaitable[FeedPage]],
        subscriptions: "Subscriptions",
    ) -> None:
        """Add the subscription to `subscriptions`. `read` reads the feed after a position."""
        self.owner_id = owner_id
        self._read_page = read
        self._subscriptions = subscriptions
        # `_position`: the last item ready or delivered. `_head`: the last that is known to exist.
        self._position = 0
        self._head = 0
        self._ready: list[FeedItem] = []
        self._broadcast: list[FeedItem] = []
        self._is_behind = False
        self._waiter: asyncio.Future[None] | None = None
        self._take: Callable[[FeedItem], bool] = lambda _: False
        subscriptions.add(self)

    def attach(self, take: Callable[[FeedItem], bool]) -> None:
        """Deliver an item by `take` while `__anext__` waits for it, unless that returns False."""
        self._take = take

    @property
    def buffered(self) -> int:
        """The number of broadcast items that wait for this subscription."""
        return len(self._broadcast)

    def start(self, position: int, head: int) -> None:
        """Deliver what follows `position`, in a feed whose last position is `head`."""
        self._position = self._head = position
        self.reconcile(head)

    def push(self, item: FeedItem) -> None:
        """Deliver an item that was broadcast, or keep it."""
        self._head = max(self._head, item.position)
        if self._is_waiting and item.position == self._position + 1 and self._take(item):
            self._position = item.position
        elif len(self._broadcast) < _BUFFER:
            self._broadcast.append(item)
            self._wake()
        else:
            self._fall_behind()

    def reconcile(self, head: int) -> None:
        """Let the next step read the database if `head` is beyond every position known here."""
        if self._head < head:
            self._fall_behind()

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> FeedItem:
        try:
            while not self._ready:
                await self._prepare()
            return self._ready.pop(0)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        self._subscriptions.remove(self)

    async def _prepare(self) -> None:
        """Do one step: wait for an item, take one, or read a page. May leave nothing ready."""
        if self._is_behind:
            await self._read()
        elif not self._broadcast:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        elif (item := self._broadcast.pop(0)).position == self._position + 1:
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
        self._wake()

    @property
    def _is_waiting(self) -> bool:
        """Whether `__anext__` waits, and nothing has come for it."""
        return self._waiter is not None and not self._waiter.done()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Subscriptions:
    """The open subscriptions of this process, by the owner of the feed."""

    def __init__(self) -> None:
        self._by_owner: dict[UUID, set[Subscription]] = {}

    def add(self, subscription: Subscription) -> None:
        self._by_owner.setdefault(subscription.owner_id, set()).add(subscription)

    def remove(self, subscription: Subscription) -> None:
        if members := self._by_owner.get(subscription.owner_id):
            members.discard(subscription)
            if not members:
                del self._by_owner[subscription.owner_id]

    def __len__(self) -> int:
        return sum(map(len, self._by_owner.values()))

    def of(self, owner_id: UUID) -> Collection[Subscription]:
        return self._by_owner.get(owner_id, ())

    @property
    def owners(self) -> Collection[UUID]:
        return self._by_owner.keys()
