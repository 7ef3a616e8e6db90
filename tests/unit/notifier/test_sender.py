"""The sender's leases, waits and limits, on the fakes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from notifier.domain import Mail, Outcome, State
from notifier.errors import ContentUnavailable, MailDeferred, MailServerUnavailable
from notifier.ports import Repositories
from notifier.sender import Sender
from tests.unit.notifier.fakes import (
    ADA,
    CROWD,
    GRACE,
    KEN,
    MINUTE,
    FakeNotifier,
    FakeUnitOfWork,
    T,
    account_mail,
    tweet_of,
)

SECOND = timedelta(seconds=1)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNAVAILABLE = MailServerUnavailable("connecting: SMTPConnectError")


class HoldingMailer:
    """Holds every mail until `release` is set."""

    def __init__(self) -> None:
        self.started: list[Mail] = []
        self.sent: list[Mail] = []
        self.release = asyncio.Event()

    async def send(self, mail: Mail) -> None:
        self.started.append(mail)
        await self.release.wait()
        self.sent.append(mail)


class BrokenUnitOfWork(FakeUnitOfWork):
    """Fails the next `failures` transactions."""

    failures = 0

    async def transaction(self, work: Callable[[Repositories], Awaitable[T]]) -> T:
        if self.failures:
            self.failures -= 1
            raise ConnectionRefusedError
        return await super().transaction(work)


@pytest.fixture
def notifier() -> FakeNotifier:
    return FakeNotifier(BrokenUnitOfWork())


def sender_of(notifier: FakeNotifier, mailer: Any = None, **options: Any) -> Sender:
    arguments: dict[str, Any] = {"now": notifier.clock, "chance": lambda: 0.0} | options
    return Sender(
        notifier.unit_of_work,
        mailer or notifier.mailer,
        notifier.write,
        notifier.policy,
        **arguments,
    )


async def make_due(notifier: FakeNotifier, number: int) -> None:
    """Make so many mails due, each to another user."""
    for person in CROWD[:number]:
        await notifier.registered(person, retweets=True)
        await notifier.retweeted(GRACE, tweet_of(person))


async def first_of_two_held(notifier: FakeNotifier, **options: Any) -> HoldingMailer:
    """Lease two mails on one connection; the mailer holds the first, the second waits for it."""
    mailer = HoldingMailer()
    notifier.policy = replace(notifier.policy, connections=1)
    sender = sender_of(notifier, mailer, **options)
    await make_due(notifier, 2)
    await sender.lease_due()
    await settle()
    return mailer


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(200):
        await asyncio.sleep(0)


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


class TestLeaseDue:
    async def test_without_deliveries_waits_for_the_poll(self, notifier: FakeNotifier) -> None:
        assert await notifier.sender.lease_due() == 5

    async def test_waits_until_the_next_delivery_is_due(self, notifier: FakeNotifier) -> None:
        await make_due(notifier, 1)
        await notifier.sent()
        await notifier.retweeted(KEN, tweet_of(CROWD[0]))
        notifier.clock.advance(10 * MINUTE - 3 * SECOND)
        assert await notifier.sender.lease_due() == 3

    async def test_waits_no_longer_than_the_poll(self, notifier: FakeNotifier) -> None:
        await make_due(notifier, 1)
        await notifier.sent()
        await notifier.retweeted(KEN, tweet_of(CROWD[0]))
        assert await notifier.sender.lease_due() == 5

    async def test_waits_for_the_end_of_a_pause(self, notifier: FakeNotifier) -> None:
        await make_due(notifier, 1)
        notifier.mailer.answers = [UNAVAILABLE]
        await notifier.sent()
        await notifier.retweeted(GRACE, tweet_of(ADA))
        await notifier.registered(ADA, retweets=True)
        assert await notifier.sender.lease_due() == 1
        assert len(notifier.mailer.attempts) == 1

    async def test_minimum_wait_for_rows_that_another_process_locks(
        self, notifier: FakeNotifier
    ) -> None:
        await make_due(notifier, 1)

        class Locked(FakeUnitOfWork):
            async def transaction(self, work: Callable[[Repositories], Awaitable[T]]) -> Any:
                return []

        assert isinstance(notifier.unit_of_work, FakeUnitOfWork)
        notifier.unit_of_work = Locked(notifier.unit_of_work.tables)
        assert await sender_of(notifier).lease_due() == 0.02

    async def test_waits_for_a_finished_delivery_when_half_of_the_room_is_used(
        self, notifier: FakeNotifier
    ) -> None:
        mailer = HoldingMailer()
        notifier.policy = replace(notifier.policy, connections=2)
        sender = sender_of(notifier, mailer)
        await make_due(notifier, 8)
        assert await sender.lease_due() == 5
        await make_due(notifier, 9)
        assert await sender.lease_due() is None
        await make_due(notifier, 10)
        assert await sender.lease_due() is None
        assert await notifier.unit_of_work.read(lambda r: r.deliveries.next_due()) is not None
        due = await notifier.unit_of_work.transaction(
            lambda r: r.deliveries.lease(
                9, account_mails=9, now=notifier.clock.now, until=notifier.clock.now
            )
        )
        assert len(due) == 1
        mailer.release.set()
        await settle()

    async def test_leases_eight_deliveries_for_each_connection(
        self, notifier: FakeNotifier
    ) -> None:
        mailer = HoldingMailer()
        notifier.policy = replace(notifier.policy, connections=2)
        sender = sender_of(notifier, mailer)
        await make_due(notifier, 20)
        assert await sender.lease_due() is None
        await settle()
        assert len(mailer.started) == 2
        rest = await notifier.unit_of_work.transaction(
            lambda r: r.deliveries.lease(
                20, account_mails=9, now=notifier.clock.now, until=notifier.clock.now
            )
        )
        assert len(rest) == 4
        mailer.release.set()
        await settle()
        assert len(mailer.sent) == 16

    async def test_lease_lasts_three_attempts(self, notifier: FakeNotifier) -> None:
        await make_due(notifier, 1)
        mailer = HoldingMailer()
        sender = sender_of(notifier, mailer)
        await sender.lease_due()
        due = await notifier.unit_of_work.read(lambda r: r.deliveries.next_due())
        assert due == notifier.clock.now + 3 * notifier.policy.attempt
        mailer.release.set()
        await settle()

    async def test_sender_that_was_suspended_does_not_send_a_mail_twice(
        self, notifier: FakeNotifier
    ) -> None:
        await make_due(notifier, 1)
        mailer = HoldingMailer()
        sender = sender_of(notifier, mailer)
        await sender.lease_due()
        await settle()
        notifier.clock.advance(3 * notifier.policy.attempt)
        await sender.lease_due()
        await settle()
        assert len(mailer.started) == 1
        mailer.release.set()
        await settle()


class TestPause:
    async def test_pauses_double_up_to_the_longest(self, notifier: FakeNotifier) -> None:
        await make_due(notifier, 1)
        pauses = []
        for _ in range(8):
            notifier.mailer.answers = [UNAVAILABLE]
            await notifier.sent()
            due = await notifier.unit_of_work.read(lambda r: r.deliveries.next_due())
            assert due
            pauses.append((due - notifier.clock.now).total_seconds())
            notifier.clock.now = due
        assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]

    async def test_first_pause_after_a_sent_mail_is_short_again(
        self, notifier: FakeNotifier
    ) -> None:
        await make_due(notifier, 2)
        notifier.policy = replace(notifier.policy, connections=1)
        notifier.sender = sender_of(notifier)
        notifier.mailer.answers = [UNAVAILABLE, UNAVAILABLE]
        await notifier.sent()
        await notifier.later(SECOND)
        assert len(await notifier.later(2 * SECOND)) == 2
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE, tweet_of(ADA))
        notifier.mailer.answers = [UNAVAILABLE]
        await notifier.sent()
        assert await notifier.sender.lease_due() == 1

    async def test_one_mail_goes_alone_after_a_pause(self, notifier: FakeNotifier) -> None:
        await make_due(notifier, 3)
        notifier.policy = replace(notifier.policy, connections=1)
        notifier.mailer.answers = [UNAVAILABLE]
        sender = sender_of(notifier)
        await sender.deliver_due()
        notifier.clock.advance(SECOND)
        assert await sender.lease_due() is None
        await settle()
        assert len(notifier.mailer.attempts) == 2
        assert len(notifier.mailer.mails) == 1

    async def test_delivery_that_waits_for_a_connection_keeps_its_attempt(
        self, notifier: FakeNotifier
    ) -> None:
        outcomes: list[Outcome] = []
        await make_due(notifier, 2)
        notifier.policy = replace(notifier.policy, connections=1)
        notifier.mailer.answers = [UNAVAILABLE]
        sender = sender_of(notifier, record=outcomes.append)
        await sender.deliver_due()
        assert [(o.state, o.counts) for o in outcomes] == [(State.FAILED, False)] * 2
        assert {o.error for o in outcomes} == {"connecting: SMTPConnectError", "not attempted"}


class TestAuthPause:
    """While auth does not give the content of mails about accounts."""

    async def test_success_of_an_earlier_mail_does_not_end_the_pause(
        self, notifier: FakeNotifier
    ) -> None:
        outcomes: list[Outcome] = []
        mailer = HoldingMailer()
        sender = sender_of(notifier, mailer, record=outcomes.append)
        await notifier.asked(account_mail(ADA))
        await sender.lease_due()
        await settle()
        notifier.account_mails.outage = ContentUnavailable("auth: UNAVAILABLE")
        await notifier.asked(account_mail(ADA))
        await sender.lease_due()
        await settle()
        mailer.release.set()
        await settle()
        await notifier.asked(account_mail(ADA))
        assert await sender.lease_due() == 1
        await settle()
        assert [outcome.state for outcome in outcomes] == [State.FAILED, State.SENT]

    async def test_outage_ends_when_auth_answers_although_the_mail_server_is_slow(
        self, notifier: FakeNotifier
    ) -> None:
        mailer = HoldingMailer()
        sender = sender_of(notifier, mailer)
        notifier.account_mails.outage = ContentUnavailable("auth: UNAVAILABLE")
        for _ in range(2):
            await notifier.asked(account_mail(ADA))
        await sender.lease_due()
        await settle()
        notifier.account_mails.outage = None
        notifier.clock.advance(SECOND)
        for started in (1, 2):
            await sender.lease_due()
            await settle()
            assert len(mailer.started) == started
        mailer.release.set()
        await settle()


class TestAttempt:
    async def test_settings_are_read_again_a_second_after_the_lease(
        self, notifier: FakeNotifier
    ) -> None:
        mailer = await first_of_two_held(notifier)
        for person in CROWD[:2]:
            await notifier.service.change_settings(person.id, retweets=False)
        notifier.clock.advance(SECOND + timedelta(microseconds=1))
        mailer.release.set()
        await settle()
        assert len(mailer.sent) == 1

    async def test_settings_are_not_read_again_within_a_second(
        self, notifier: FakeNotifier
    ) -> None:
        mailer = await first_of_two_held(notifier)
        for person in CROWD[:2]:
            await notifier.service.change_settings(person.id, retweets=False)
        notifier.clock.advance(SECOND)
        mailer.release.set()
        await settle()
        assert len(mailer.sent) == 2

    async def test_delivery_of_a_deleted_user_is_dropped(self, notifier: FakeNotifier) -> None:
        outcomes: list[Outcome] = []
        mailer = await first_of_two_held(notifier, record=outcomes.append)
        for person in CROWD[:2]:
            await notifier.deleted(person)
        notifier.clock.advance(2 * SECOND)
        mailer.release.set()
        await settle()
        assert [outcome.state for outcome in outcomes] == [State.SENT]

    async def test_attempt_must_fit_into_the_lease(self, notifier: FakeNotifier) -> None:
        """The second mail begins two attempts after the lease: the last moment that fits."""
        for late, sent in ((timedelta(), 2), (timedelta(microseconds=1), 1)):
            notifier = FakeNotifier()
            mailer = await first_of_two_held(notifier)
            notifier.clock.advance(2 * notifier.policy.attempt + late)
            mailer.release.set()
            await settle()
            assert len(mailer.sent) == sent

    async def test_attempt_that_takes_too_long_fails(self, notifier: FakeNotifier) -> None:
        outcomes: list[Outcome] = []
        notifier.policy = replace(notifier.policy, attempt=timedelta(milliseconds=10))
        sender = sender_of(notifier, HoldingMailer(), record=outcomes.append)
        await make_due(notifier, 1)
        await sender.deliver_due()
        (outcome,) = outcomes
        assert (outcome.state, outcome.error) == (State.FAILED, "the attempt took too long")

    async def test_chance_decides_the_wait_of_a_retry(self, notifier: FakeNotifier) -> None:
        outcomes: list[Outcome] = []
        notifier.mailer.answers = [MailDeferred("RCPT: 451")]
        sender = sender_of(notifier, chance=lambda: 0.5, record=outcomes.append)
        await make_due(notifier, 1)
        await sender.deliver_due()
        (outcome,) = outcomes
        assert outcome.due_at - outcome.at == 1.5 * MINUTE


class TestTrace:
    @pytest.mark.parametrize(
        ("answers", "status"),
        [([], StatusCode.UNSET), ([MailDeferred("RCPT: 451")], StatusCode.ERROR)],
    )
    async def test_span_fails_with_the_mail(
        self,
        notifier: FakeNotifier,
        exporter: InMemorySpanExporter,
        answers: list[Any],
        status: StatusCode,
    ) -> None:
        await make_due(notifier, 1)
        assert isinstance(notifier.unit_of_work, FakeUnitOfWork)
        deliveries = notifier.unit_of_work.tables.deliveries
        for delivery in list(deliveries.values()):
            deliveries[delivery.id] = replace(delivery, traceparent=TRACEPARENT)
        notifier.mailer.answers = answers
        await notifier.sender.deliver_due()
        (span,) = exporter.get_finished_spans()
        assert (span.name, span.status.status_code) == ("send mail", status)


class TestRunning:
    async def test_mail_is_sent_when_woken(self, notifier: FakeNotifier) -> None:
        notifier.policy = replace(notifier.policy, poll=60 * MINUTE)
        sender = sender_of(notifier)
        async with sender.running():
            await settle()
            await make_due(notifier, 1)
            await settle()
            assert notifier.mailer.mails == []
            sender.wake()
            await eventually(lambda: notifier.mailer.mails)

    async def test_mail_of_another_process_is_found_by_the_poll(
        self, notifier: FakeNotifier
    ) -> None:
        notifier.policy = replace(notifier.policy, poll=timedelta(milliseconds=30))
        async with sender_of(notifier).running():
            await settle()
            await make_due(notifier, 1)
            await eventually(lambda: notifier.mailer.mails)

    async def test_all_due_mails_are_sent(self, notifier: FakeNotifier) -> None:
        notifier.policy = replace(notifier.policy, connections=1, poll=60 * MINUTE)
        await make_due(notifier, 20)
        async with sender_of(notifier).running():
            await eventually(lambda: len(notifier.mailer.mails) == 20)

    async def test_outage_of_the_database_is_waited_out(self, notifier: FakeNotifier) -> None:
        await make_due(notifier, 1)
        assert isinstance(notifier.unit_of_work, BrokenUnitOfWork)
        notifier.unit_of_work.failures = 2
        async with sender_of(notifier).running():
            await eventually(lambda: notifier.mailer.mails)

    async def test_outcome_is_saved_after_an_outage(self, notifier: FakeNotifier) -> None:
        outcomes: list[Outcome] = []
        await make_due(notifier, 1)
        unit_of_work = notifier.unit_of_work
        assert isinstance(unit_of_work, BrokenUnitOfWork)

        def fail() -> None:
            unit_of_work.failures = 2

        notifier.mailer.answers = [fail]
        await sender_of(notifier, record=outcomes.append).deliver_due()
        assert [outcome.state for outcome in outcomes] == [State.SENT]
        assert await unit_of_work.read(lambda r: r.deliveries.next_due()) is None

    async def test_mail_in_flight_finishes_at_the_end(self, notifier: FakeNotifier) -> None:
        mailer = HoldingMailer()
        await make_due(notifier, 1)
        async with sender_of(notifier, mailer).running():
            await eventually(lambda: mailer.started)
            asyncio.get_running_loop().call_later(0.05, mailer.release.set)
        assert len(mailer.sent) == 1
        assert await notifier.unit_of_work.read(lambda r: r.deliveries.next_due()) is None

    async def test_mail_that_does_not_finish_in_the_grace_is_cancelled(
        self, notifier: FakeNotifier
    ) -> None:
        mailer = HoldingMailer()
        notifier.policy = replace(notifier.policy, grace=timedelta(milliseconds=10))
        await make_due(notifier, 1)
        async with sender_of(notifier, mailer).running():
            await eventually(lambda: mailer.started)
        assert mailer.sent == []
        # The attempt has no outcome. Its lease ends, and another process sends the mail.
        due = await notifier.unit_of_work.read(lambda r: r.deliveries.next_due())
        assert due == notifier.clock.now + 3 * notifier.policy.attempt
        assert len(await notifier.later(3 * notifier.policy.attempt)) == 1
