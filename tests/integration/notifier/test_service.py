"""The same use cases and the same sender on PostgreSQL."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from chassis.database import Database
from notifier.domain import Delivery, EmailSettings, Recipient, State
from notifier.ports import Repositories, T, Work
from notifier.repository import SqlUnitOfWork
from tests.integration.conftest import is_empty, outbox, somebody_waits, until
from tests.unit.notifier import suite
from tests.unit.notifier.fakes import ADA, DIGESTS, GRACE, MINUTE, TWEET, FakeNotifier, tweet_of


@pytest.fixture
def notifier(database: Database) -> FakeNotifier:
    return FakeNotifier(SqlUnitOfWork(database, DIGESTS), lambda: outbox(database))


class TestSettings(suite.Settings):
    pass


class TestUnsubscribed(suite.Unsubscribed):
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

    async def test_retweets_of_many_tweets_at_once_open_one_window(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        await asyncio.gather(*(notifier.retweeted(GRACE, tweet_of(ADA, n)) for n in range(20)))
        assert await notifier.sent() == [suite.BY_GRACE]
        assert await notifier.later(10 * MINUTE) == [
            suite.BY_GRACE,
            "grace retweeted 19 of your tweets",
        ]

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

    async def test_the_deletion_of_a_retweeter_removes_the_notice_that_is_being_added(
        self, notifier: FakeNotifier, database: Database
    ) -> None:
        """The notice would name somebody who has left."""
        await notifier.registered(ADA, retweets=True)
        await notifier.registered(GRACE)
        held = asyncio.Event()

        class Slow(SqlUnitOfWork):
            """Waits, before it commits, until the deletion waits for it."""

            async def transaction(self, work: Work[T]) -> T:
                async def run(repositories: Repositories) -> T:
                    result = await work(repositories)
                    held.set()
                    await until(lambda: somebody_waits(database))
                    return result

                return await super().transaction(run)

        async def delete() -> None:
            await held.wait()
            await notifier.deleted(GRACE)

        slow = replace(notifier.service, unit_of_work=Slow(database, DIGESTS))
        await asyncio.gather(slow.handle(uuid4(), notifier.retweet(GRACE)), delete())
        assert await is_empty(database, "notices")
        assert await notifier.sent() == []
