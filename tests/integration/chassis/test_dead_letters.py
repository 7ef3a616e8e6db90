"""Rejected events are kept once, and leave when an operator retries or drops them."""

from collections.abc import AsyncIterator

import pytest

from chassis.database import Database
from chassis.dead_letters import (
    SCHEMA,
    DeadLetterNotFoundError,
    RejectedEvents,
    RetryFailedError,
)
from chassis.events import Event
from tests.integration.chassis.conftest import event
from tests.integration.conftest import FreshDatabase


class Handler:
    """Handles every event, or fails."""

    def __init__(self) -> None:
        self.handled: list[Event] = []
        self.fails = False

    async def __call__(self, each: Event) -> None:
        if self.fails:
            raise ValueError("the tweet is missing")
        self.handled.append(each)


@pytest.fixture(scope="session")
async def letters_url(fresh_database: FreshDatabase) -> str:
    url = await fresh_database("dead_letters", None)
    database = Database(url)
    await database.connect()
    for statement in SCHEMA:
        await database.read(lambda c, statement=statement: c.execute(statement))  # type: ignore[misc]
    await database.disconnect()
    return url


@pytest.fixture
async def database(letters_url: str) -> AsyncIterator[Database]:
    database = Database(letters_url)
    await database.connect()
    await database.read(lambda c: c.execute("TRUNCATE rejected_events"))
    yield database
    await database.disconnect()


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture
def letters(database: Database, handler: Handler) -> RejectedEvents:
    return RejectedEvents(database, handler)


class TestAdd:
    async def test_oldest_is_the_first(self, letters: RejectedEvents) -> None:
        for text in ("one", "two"):
            await letters.add(text, "malformed: the event is not JSON")
        one, two = await letters.all()
        assert (one.details, two.details) == ("one", "two")
        assert (one.kind, one.reason) == ("event", "malformed: the event is not JSON")
        assert await letters.get(one.id) == one

    async def test_same_text_is_kept_once(self, letters: RejectedEvents) -> None:
        for _ in range(2):
            await letters.add("text", "reason")
        assert len(await letters.all()) == 1

    async def test_nul_is_replaced(self, letters: RejectedEvents) -> None:
        await letters.add("a\0b", "c\0d")
        (letter,) = await letters.all()
        assert (letter.details, letter.reason) == ("a\ufffdb", "c\ufffdd")


class TestRetry:
    async def test_handled_event_is_forgotten(
        self, letters: RejectedEvents, handler: Handler
    ) -> None:
        rejected = event()
        await letters.add(rejected.to_json(), "reason")
        (letter,) = await letters.all()
        await letters.retry(letter.id)
        assert handler.handled == [rejected]
        assert await letters.all() == []

    async def test_event_that_fails_again_is_kept(
        self, letters: RejectedEvents, handler: Handler
    ) -> None:
        handler.fails = True
        await letters.add(event().to_json(), "reason")
        (letter,) = await letters.all()
        with pytest.raises(RetryFailedError, match="ValueError: the tweet is missing"):
            await letters.retry(letter.id)
        assert await letters.all() == [letter]

    async def test_text_that_is_no_event_is_kept(self, letters: RejectedEvents) -> None:
        await letters.add("nonsense", "reason")
        (letter,) = await letters.all()
        with pytest.raises(RetryFailedError, match="the event is not JSON"):
            await letters.retry(letter.id)
        assert await letters.all() == [letter]


class TestDrop:
    async def test_others_are_kept(self, letters: RejectedEvents) -> None:
        for text in ("one", "two"):
            await letters.add(text, "reason")
        one, two = await letters.all()
        await letters.drop(one.id)
        assert await letters.all() == [two]


@pytest.mark.parametrize("letter_id", ["0", "x", "9" * 30, ""])
async def test_unknown_id_is_not_found(letters: RejectedEvents, letter_id: str) -> None:
    for action in (letters.get, letters.retry, letters.drop):
        with pytest.raises(DeadLetterNotFoundError):
            await action(letter_id)
