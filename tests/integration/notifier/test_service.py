"""The behaviour suite on PostgreSQL, and concurrent transactions."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from uuid import uuid4

import pytest

from chassis.database import Database
from chassis.dead_letters import RejectedEvents
from chassis.unit_of_work import SqlUnitOfWork
from notifier.addresses import AddressDigests
from notifier.consumer import handler
from notifier.domain import Delivery, EmailSettings, Recipient, State
from notifier.ports import Repositories
from notifier.repository import SqlRepositories
from notifier.service import NotifierService
from tests.integration.conftest import is_empty, outbox, somebody_waits, until
from tests.unit.notifier import account_suite, suite
from tests.unit.notifier.fakes import (
    ADA,
    DIGESTS,
    GRACE,
    MINUTE,
    TWEET,
    FakeNotifier,
    address,
    tweet_of,
    undone,
)

T = TypeVar("T")


@pytest.fixture
def notifier(database: Database) -> FakeNotifier:
    unit_of_work = SqlUnitOfWork(database, SqlRepositories.using(DIGESTS))
    notifier = FakeNotifier(unit_of_work, lambda: outbox(database))
    return replace(notifier, rejected_events=RejectedEvents(database, handler(notifier.service)))


class TestSettings(suite.Settings):
    pass


class TestUnsubscribe(suite.Unsubscribe):
    pass


class TestSnapshot(suite.Snapshot):
    pass


class TestRepeatedRegistration(suite.RepeatedRegistration):
    pass


class TestForgetUser(suite.ForgetUser):
    pass


class TestReportRetweet(suite.ReportRetweet):
    pass


class TestUndoRetweet(suite.UndoRetweet):
    pass


class TestDigest(suite.Digest):
    pass


class TestSending(suite.Sending):
    pass


class TestDeadMails(suite.DeadMails):
    pass


class TestPurge(suite.Purge):
    async def test_address_about_which_nothing_is_known_any_more_is_removed(
        self, notifier: FakeNotifier, database: Database
    ) -> None:
        now = notifier.clock.now

        async def work(repositories: Repositories) -> int:
            await repositories.addresses.save_refusal("a@example.com", now)
            await repositories.addresses.save_verification("a@example.com", now + MINUTE)
            return await repositories.purge(now)

        assert await notifier.unit_of_work.transaction(work) == 1
        assert await is_empty(database, "addresses")


class TestAccountMails(account_suite.AccountMails):
    pass


class TestAuthAway(account_suite.AuthAway):
    pass


class TestVerifiedAddresses(account_suite.VerifiedAddresses):
    pass


class TestChangedAddresses(account_suite.ChangedAddresses):
    pass


class TestRefusedAddresses(account_suite.RefusedAddresses):
    pass


class TestRotatedKey:
    @pytest.mark.parametrize("later_key", [0, 1])
    async def test_latest_refusal_is_shown_whichever_key_it_has(
        self, notifier: FakeNotifier, database: Database, later_key: int
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        earlier = notifier.clock.now + MINUTE
        later = earlier + MINUTE

        async def refuse(key: str, at: datetime) -> None:
            keyed = SqlUnitOfWork(database, SqlRepositories.using(AddressDigests([key])))
            await keyed.transaction(lambda r: r.addresses.save_refusal(address(ADA), at))

        for number, key in enumerate(DIGESTS.keys):
            await refuse(key, later if number == later_key else earlier)
        assert (await notifier.settings(ADA)).undeliverable_since == later


class TestAnyOrder(account_suite.AnyOrder):
    pass


class TestConcurrency:
    async def test_registration_releases_a_delivery_that_is_being_added(
        self, notifier: FakeNotifier, database: Database
    ) -> None:
        locked = asyncio.Event()
        now = notifier.clock.now

        async def add(repositories: Repositories) -> None:
            assert await repositories.recipients.lock(ADA.id)
            locked.set()
            await until(lambda: somebody_waits(database))
            waiting = Delivery(
                uuid4(), uuid4(), ADA.id, TWEET.id, "<1@x>", False, now, now, State.WAITING
            )
            await repositories.deliveries.add(waiting)

        async def register() -> None:
            await locked.wait()
            await notifier.registered(ADA, retweets=True)

        await asyncio.gather(notifier.unit_of_work.transaction(add), register())
        assert await notifier.unit_of_work.read(lambda r: r.deliveries.next_due()) == now

    async def test_retweet_waits_for_a_running_registration(
        self, notifier: FakeNotifier, database: Database
    ) -> None:
        registering = asyncio.Event()

        async def register(repositories: Repositories) -> None:
            ada = Recipient(
                ADA.id,
                EmailSettings(retweets=True),
                ADA.name,
                "ada@example.com",
                email_verified_at=notifier.clock.now,
            )
            await repositories.recipients.merge(ada)
            registering.set()
            await until(lambda: somebody_waits(database))

        async def retweet() -> None:
            await registering.wait()
            await notifier.retweeted(GRACE)

        await asyncio.gather(notifier.unit_of_work.transaction(register), retweet())
        assert await notifier.sent() == [suite.BY_GRACE]

    async def test_concurrent_retweets_of_several_tweets_open_one_window(
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
    async def test_deletion_removes_a_tweet_that_is_being_added(
        self, notifier: FakeNotifier, database: Database, known: bool
    ) -> None:
        if known:
            await notifier.registered(ADA, retweets=True)
        locked = asyncio.Event()

        async def add(repositories: Repositories) -> None:
            assert await repositories.recipients.lock(ADA.id)
            locked.set()
            await until(lambda: somebody_waits(database))
            assert await repositories.retweets.add_tweet(TWEET, notifier.clock.now)

        async def delete() -> None:
            await locked.wait()
            await notifier.deleted(ADA)

        await asyncio.gather(notifier.unit_of_work.transaction(add), delete())
        assert await is_empty(database, "tweets")

    async def test_deletion_of_a_retweeter_removes_a_retweet_that_is_being_added(
        self, notifier: FakeNotifier, database: Database
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.registered(GRACE)
        locked = asyncio.Event()

        async def delete() -> None:
            await locked.wait()
            await notifier.deleted(GRACE)

        slow = slow_service(notifier, database, locked)
        report = slow.report_retweet(uuid4(), TWEET, notifier.retweet(GRACE))
        await asyncio.gather(report, delete())
        assert await is_empty(database, "notices")
        assert await notifier.sent() == []

    async def test_undo_during_the_report_of_its_retweet_wins(
        self, notifier: FakeNotifier, database: Database
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        retweet = notifier.retweet(GRACE)
        locked = asyncio.Event()

        async def report() -> None:
            await locked.wait()
            await notifier.service.report_retweet(uuid4(), TWEET, retweet)

        undo = slow_service(notifier, database, locked).undo_retweet(uuid4(), undone(retweet))
        await asyncio.gather(undo, report())
        assert await notifier.sent() == []


def slow_service(
    notifier: FakeNotifier, database: Database, locked: asyncio.Event
) -> NotifierService:
    """Return the service with transactions that commit once another one waits for them.

    `locked` is set when such a transaction has done its work.
    """

    class Slow(SqlUnitOfWork[SqlRepositories]):
        async def transaction(self, work: Callable[[SqlRepositories], Awaitable[T]]) -> T:
            async def run(repositories: SqlRepositories) -> T:
                result = await work(repositories)
                locked.set()
                await until(lambda: somebody_waits(database))
                return result

            return await super().transaction(run)

    unit_of_work = Slow(database, SqlRepositories.using(DIGESTS))
    return replace(notifier.service, unit_of_work=unit_of_work)
