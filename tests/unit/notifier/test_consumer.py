"""The handler of events, on the fakes."""

from typing import Any
from uuid import uuid4

import pytest

from chassis.events import Event, MalformedEventError
from notifier.consumer import handler
from tests.unit.notifier.fakes import ADA, GRACE, MINUTE, TWEET, FakeNotifier, address

REGISTERED = {
    "userId": str(ADA.id),
    "username": ADA.name,
    "email": address(ADA),
    "emailSettings": {"retweets": True},
    "emailVerifiedAt": "2026-11-01T12:00:00Z",
}
RETWEETED = {
    "retweetId": str(uuid4()),
    "tweetId": str(TWEET.id),
    "text": TWEET.text,
    "authorId": str(ADA.id),
    "retweeterId": str(GRACE.id),
    "retweeterUsername": GRACE.name,
}
BY_GRACE = "grace retweeted your tweet"


class World:
    """A notifier and its handler; `wakes` counts the calls of `wake`."""

    def __init__(self) -> None:
        self.notifier = FakeNotifier()
        self.wakes = 0
        self._handle = handler(self.notifier.service, self._wake)

    def _wake(self) -> None:
        self.wakes += 1

    async def handle(self, kind: str, data: dict[str, Any]) -> None:
        now = self.notifier.clock.now
        await self._handle(Event(uuid4(), "/tests", kind, "subject", now, data))


@pytest.fixture
def world() -> World:
    return World()


class TestHandler:
    async def test_retweet_of_a_registered_user_is_mailed(self, world: World) -> None:
        await world.handle("user-registered", REGISTERED)
        await world.handle("tweet-retweeted", RETWEETED)
        assert await world.notifier.sent() == [BY_GRACE]

    @pytest.mark.parametrize(
        ("kind", "data"),
        [
            ("user-deleted", {"userId": str(ADA.id)}),
            ("user-deleted", {"userId": str(GRACE.id)}),
            ("tweet-deleted", {"tweetId": str(TWEET.id)}),
            ("retweet-undone", RETWEETED),
        ],
    )
    async def test_later_event_cancels_the_mail(
        self, world: World, kind: str, data: dict[str, Any]
    ) -> None:
        await world.handle("user-registered", REGISTERED)
        await world.handle("tweet-retweeted", RETWEETED)
        await world.handle(kind, data)
        assert await world.notifier.later(60 * MINUTE) == []

    async def test_sender_is_woken_by_handled_events_only(self, world: World) -> None:
        await world.handle("tweet-created", {"anything": 1})
        assert world.wakes == 0
        await world.handle("user-registered", REGISTERED)
        assert world.wakes == 1

    async def test_malformed_data_is_an_error(self, world: World) -> None:
        with pytest.raises(MalformedEventError, match=r"^data\.userId is not an id$"):
            await world.handle("user-deleted", {"userId": "x", "reason": "new fields are ignored"})
