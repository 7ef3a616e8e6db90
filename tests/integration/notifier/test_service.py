"""The same use cases and the same sender on PostgreSQL."""

import asyncio
from uuid import uuid4

import pytest

from chassis.database import Database
from notifier.domain import Delivery, EmailSettings, Recipient, State
from notifier.ports import Repositories
from notifier.repository import SqlUnitOfWork
from tests.integration.conftest import is_empty, outbox, somebody_waits, until
from tests.unit.notifier import suite
from tests.unit.notifier.fakes import ADA, GRACE, TWEET, FakeNotifier


@pytest.fixture
def notifier(database: Database) -> FakeNotifier:
    return FakeNotifier(SqlUnitOfWork(database), lambda: outbox(database))


class TestSettings(suite.Settings):
    pass


class TestSnapshot(suite.Snapshot):
    pass


class TestBackfilled(suite.Backfilled):
    pass


class TestDeletedUser(suite.DeletedUser):
    pass


class TestRetweeted(suite.Retweeted):
    pass


class TestUndone(suite.Undone):
    pass


class TestBursts(suite.Bursts):
    pass


class TestSending(suite.Sending):
    pass


class TestDead(suite.Dead):
    pass


class TestPurge(suite.Purge):
    pass


class TestMeanwhile:
    async def test_a_registration_releases_what_is_being_added(
        self, notifier: FakeNotifier, database: Database
    ) -> None:
        held = asyncio.Event()
        now = notifier.clock.now

        async def add(repositories: Repositories) -> None:
            assert await repositories.recipients.hold(ADA.id)
            held.set()
            await until(lambda: somebody_waits(database))
            waiting = Delivery(
                uuid4(), uuid4(), ADA.id, TWEET.id, "<1@x>", False, now, now, State.WAITING
            )
            await repositories.deliveries.add(waiting)

        async def register() -> None:
            await held.wait()
            await notifier.registered(ADA, retweets=True)

        await asyncio.gather(notifier.unit_of_work.transaction(add), register())
        assert await notifier.unit_of_work.read(lambda r: r.deliveries.next_due()) == now

    async def test_a_retweet_waits_for_the_registration(
        self, notifier: FakeNotifier, database: Database
    ) -> None:
        registering = asyncio.Event()

        async def register(repositories: Repositories) -> None:
            ada = Recipient(ADA.id, EmailSettings(retweets=True), ADA.name, "ada@example.com")
            await repositories.recipients.register(ada)
            registering.set()
            await until(lambda: somebody_waits(database))

        async def retweet() -> None:
            await registering.wait()
            await notifier.retweeted(GRACE)

        await asyncio.gather(notifier.unit_of_work.transaction(register), retweet())
        assert await notifier.sent() == [suite.BY_GRACE]

    @pytest.mark.parametrize("known", [True, False])
    async def test_a_deletion_removes_what_is_being_added(
        self, notifier: FakeNotifier, database: Database, known: bool
    ) -> None:
        if known:
            await notifier.registered(ADA, retweets=True)
        held = asyncio.Event()

        async def add(repositories: Repositories) -> None:
            assert await repositories.recipients.hold(ADA.id)
            held.set()
            await until(lambda: somebody_waits(database))
            assert await repositories.retweets.add_tweet(TWEET, notifier.clock.now)

        async def delete() -> None:
            await held.wait()
            await notifier.deleted(ADA)

        await asyncio.gather(notifier.unit_of_work.transaction(add), delete())
        assert await is_empty(database, "tweets")
