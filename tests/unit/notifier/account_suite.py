"""The behaviour of mails about accounts, verifications and refusals, for any repositories.

Run like `suite.py`: on the fakes and on PostgreSQL.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifier.delivery_log import DeliveryLog
from notifier.domain import AccountMailKind, EmailSettings, Outcome, Recipient, State, Tweet
from notifier.errors import (
    AddressRefused,
    ContentFailed,
    ContentUnavailable,
    MailDeferred,
    MailNotWanted,
    MailRefused,
    MailServerUnavailable,
    UnknownContent,
)
from tests.unit.notifier.fakes import (
    ADA,
    CROWD,
    GRACE,
    JOAN,
    KEN,
    MINUTE,
    FakeNotifier,
    Person,
    account_mail,
    address,
    tweet_of,
)

BY_GRACE = "grace retweeted your tweet"
BY_JOAN = "joan retweeted your tweet"
RESET = "Reset your password"
NEW = "new@example.com"
AWAY = ContentUnavailable("auth: UNAVAILABLE")
REFUSED = AddressRefused("RCPT: 550 5.1.1")
SECOND = timedelta(seconds=1)


class AccountMails:
    async def test_mail_is_sent_at_once_to_the_address_that_auth_gives(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.asked(account_mail(ADA))
        assert await notifier.sent() == [RESET]
        (mail,) = notifier.mailer.mails
        assert (mail.to, mail.to_name, mail.unsubscribe_url) == (address(ADA), "ada", None)

    async def test_repeated_event_is_one_mail(self, notifier: FakeNotifier) -> None:
        event_id, mail_id = uuid4(), uuid4()
        notifier.account_mails.mails[mail_id] = account_mail(ADA)
        for _ in range(3):
            await notifier.service.add_account_mail(event_id, mail_id)
            assert await notifier.sent() == [RESET]

    async def test_settings_windows_and_unsubscribing_do_not_concern_it(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == [BY_GRACE]
        await notifier.unsubscribed(ADA)
        for _ in range(2):
            await notifier.asked(account_mail(ADA))
        assert await notifier.sent() == [BY_GRACE, RESET, RESET]

    async def test_it_opens_no_window_for_mails_about_retweets(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.asked(account_mail(ADA))
        await notifier.retweeted(GRACE)
        assert set(await notifier.sent()) == {BY_GRACE, RESET}

    async def test_it_is_leased_before_mails_that_are_due_for_longer(
        self, notifier: FakeNotifier
    ) -> None:
        for person in CROWD[:10]:
            await notifier.registered(person, retweets=True)
            await notifier.retweeted(GRACE, tweet_of(person))
        notifier.clock.advance(MINUTE)
        mail_id = await notifier.asked(account_mail(ADA))
        now = notifier.clock.now
        for account_mails, first in ((0, None), (1, mail_id)):
            leased = await notifier.unit_of_work.transaction(
                lambda r, limit=account_mails: r.deliveries.lease(  # type: ignore[misc]
                    2, account_mails=limit, now=now, until=now
                )
            )
            drafts = await notifier.unit_of_work.read(
                lambda r, ids=leased: r.deliveries.drafts(ids)  # type: ignore[misc]
            )
            found = {draft.delivery.account_mail_id for draft in drafts}
            assert found == ({None, first} if first else {None})
            assert len(leased) == 2

    async def test_unwanted_mail_is_cancelled_with_the_reason(self, notifier: FakeNotifier) -> None:
        mail_id = await notifier.asked(MailNotWanted("the code was used"))
        assert await notifier.later(60 * MINUTE) == []
        assert notifier.account_mails.fetched == [mail_id]
        assert await notifier.dead() == []

    async def test_content_is_fetched_again_with_each_retry(self, notifier: FakeNotifier) -> None:
        mail_id = await notifier.asked(account_mail(ADA, short_code="11111111"))
        notifier.mailer.answers = [MailDeferred("DATA: 451")]
        assert await notifier.sent() == []
        notifier.account_mails.mails[mail_id] = account_mail(ADA, short_code="22222222")
        assert await notifier.later(10 * MINUTE) == [RESET]
        first, second = notifier.mailer.attempts
        assert first.message_id == second.message_id
        assert ("1111 1111" in first.text, "2222 2222" in second.text) == (True, True)

    async def test_refused_mail_is_dead_and_can_be_retried(self, notifier: FakeNotifier) -> None:
        mail_id = await notifier.asked(account_mail(ADA))
        notifier.mailer.answers = [MailRefused("DATA: 554")]
        assert await notifier.sent() == []
        (letter,) = await notifier.dead_letters.all()
        assert str(mail_id) in letter.details
        for private in (address(ADA), "12345678", "c0de"):
            assert private not in f"{letter}"
        await notifier.dead_letters.retry(letter.id)
        assert await notifier.sent() == [RESET]

    async def test_purge_removes_old_sent_mails(self, notifier: FakeNotifier) -> None:
        await notifier.asked(account_mail(ADA))
        await notifier.sent()
        now = notifier.clock.now
        assert await notifier.unit_of_work.transaction(lambda r: r.purge(now)) == 0
        # The event and the mail.
        assert await notifier.unit_of_work.transaction(lambda r: r.purge(now + MINUTE)) == 2


class AuthAway:
    """Auth does not give the content of mails about accounts."""

    async def test_outage_costs_no_attempt(self, notifier: FakeNotifier) -> None:
        await notifier.asked(account_mail(ADA))
        notifier.account_mails.outage = AWAY
        for _ in range(50):
            assert await notifier.later(10 * MINUTE) == []
        assert await notifier.dead() == []
        notifier.account_mails.outage = None
        assert await notifier.later(10 * MINUTE) == [RESET]

    async def test_other_mails_go_on(self, notifier: FakeNotifier) -> None:
        await notifier.asked(account_mail(ADA))
        notifier.account_mails.outage = AWAY
        await notifier.sent()
        for person in CROWD[:10]:
            await notifier.registered(person, retweets=True)
            await notifier.retweeted(GRACE, tweet_of(person))
        assert await notifier.sent() == [BY_GRACE] * 10

    async def test_one_mail_is_tried_after_each_pause(self, notifier: FakeNotifier) -> None:
        for _ in range(40):
            await notifier.asked(account_mail(ADA))
        notifier.account_mails.outage = AWAY
        await notifier.sent()
        tried = len(notifier.account_mails.fetched)
        assert tried <= notifier.policy.connections
        for pause in (1, 2, 4):
            await notifier.later(pause * SECOND / 2)
            assert len(notifier.account_mails.fetched) == tried
            await notifier.later(pause * SECOND / 2)
            tried += 1
            assert len(notifier.account_mails.fetched) == tried
        notifier.account_mails.outage = None
        assert await notifier.later(8 * SECOND) == [RESET] * 40

    async def test_sender_sleeps_through_a_pause(self, notifier: FakeNotifier) -> None:
        await notifier.asked(account_mail(ADA))
        notifier.account_mails.outage = AWAY
        await notifier.sent()
        assert await notifier.sender.lease_due() == 1

    async def test_mail_that_auth_fails_at_holds_up_no_other_and_is_dead_in_the_end(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.asked(ContentFailed("auth: INTERNAL"))
        for n in range(1, 21):
            await notifier.asked(account_mail(ADA))
            assert await notifier.sent() == [RESET] * n
            await notifier.later(60 * MINUTE)
        (letter,) = await notifier.dead_letters.all()
        assert letter.reason == "auth: INTERNAL"
        assert len(notifier.account_mails.fetched) == 20 + notifier.policy.retry.attempts

    async def test_unknown_content_waits_alone_without_counting(
        self, notifier: FakeNotifier
    ) -> None:
        newer = await notifier.asked(UnknownContent("auth gave content of an unknown kind"))
        await notifier.asked(account_mail(ADA))
        for _ in range(20):
            assert await notifier.later(MINUTE) == [RESET]
        assert len(notifier.account_mails.fetched) == 21
        notifier.account_mails.mails[newer] = account_mail(ADA)
        assert await notifier.later(MINUTE) == [RESET, RESET]

    async def test_mail_server_and_auth_pause_separately(self, notifier: FakeNotifier) -> None:
        await notifier.asked(account_mail(ADA))
        notifier.mailer.answers = [MailServerUnavailable("connecting: SMTPConnectError")]
        assert await notifier.sent() == []
        notifier.account_mails.outage = AWAY
        assert await notifier.later(SECOND) == []
        notifier.account_mails.outage = None
        assert await notifier.later(SECOND) == [RESET]


class VerifiedAddresses:
    async def test_mail_waits_for_the_verification(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True, verified=False)
        await notifier.retweeted(GRACE)
        assert await notifier.later(60 * MINUTE) == []
        await notifier.verified(ADA)
        assert await notifier.sent() == [BY_GRACE]

    async def test_retweets_before_the_verification_are_one_mail(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True, verified=False)
        for person in (GRACE, JOAN):
            await notifier.retweeted(person)
            notifier.clock.advance(20 * MINUTE)
        await notifier.verified(ADA)
        assert await notifier.sent() == ["grace and joan retweeted your tweet"]

    async def test_verification_may_arrive_before_the_registration(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.verified(ADA)
        await notifier.retweeted(GRACE)
        assert await notifier.later(60 * MINUTE) == []
        await notifier.registered(ADA, retweets=True, verified=False)
        assert await notifier.sent() == [BY_GRACE]
        assert [mail.to_name for mail in notifier.mailer.mails] == ["ada"]

    async def test_opting_out_before_the_verification_cancels_the_mail(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True, verified=False)
        await notifier.retweeted(GRACE)
        await notifier.service.change_settings(ADA.id, retweets=False)
        await notifier.verified(ADA)
        assert await notifier.later(60 * MINUTE) == []

    async def test_waiting_for_a_verification_is_no_missing_registration(
        self, notifier: FakeNotifier
    ) -> None:
        since = notifier.clock.now
        await notifier.retweeted(GRACE, tweet_of(KEN))
        await notifier.registered(ADA, retweets=True, verified=False)
        notifier.clock.advance(-MINUTE)
        await notifier.retweeted(GRACE)
        assert await notifier.unit_of_work.read(lambda r: r.deliveries.waiting_since()) == since
        await notifier.registered(KEN)
        assert await notifier.unit_of_work.read(lambda r: r.deliveries.waiting_since()) is None

    async def test_mail_of_an_earlier_release_to_an_unverified_address_waits(
        self, notifier: FakeNotifier
    ) -> None:
        """Such a mail is pending. Its first attempt makes it wait."""
        await notifier.registered(ADA, retweets=True, verified=False)
        await notifier.retweeted(GRACE)
        now = notifier.clock.now
        await notifier.unit_of_work.transaction(lambda r: r.deliveries.release(ADA.id, now))
        for _ in range(5):
            assert await notifier.later(60 * MINUTE) == []
        assert notifier.mailer.attempts == []
        await notifier.retweeted(JOAN)
        await notifier.verified(ADA)
        assert await notifier.sent() == ["grace and joan retweeted your tweet"]

    @pytest.mark.parametrize("refused", [None, address(ADA)])
    async def test_verification_during_an_attempt_that_makes_the_mail_wait_releases_it(
        self, notifier: FakeNotifier, refused: str | None
    ) -> None:
        """The outcome of the attempt is saved after the verification."""
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        now = notifier.clock.now
        (delivery_id,) = await notifier.unit_of_work.transaction(
            lambda r: r.deliveries.lease(1, account_mails=1, now=now, until=now + MINUTE)
        )
        notifier.clock.advance(SECOND)
        await notifier.verified(ADA, NEW)
        outcome = Outcome(delivery_id, 1, State.WAITING, now, now, counts=False)
        outcome = replace(outcome, recipient_id=ADA.id, refused_address=refused)
        await DeliveryLog(notifier.unit_of_work).save(outcome)
        assert await notifier.sent() == [BY_GRACE]
        assert [mail.to for mail in notifier.mailer.mails] == [NEW]


class ChangedAddresses:
    @pytest.fixture(autouse=True)
    async def ada_is_registered(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        notifier.clock.advance(MINUTE)

    async def test_unsent_mail_goes_to_the_new_address(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(GRACE)
        await notifier.verified(ADA, NEW)
        assert await notifier.sent() == [BY_GRACE]
        assert [mail.to for mail in notifier.mailer.mails] == [NEW]

    async def test_older_verification_does_not_replace_a_newer_one(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.verified(ADA, NEW)
        await notifier.verified(ADA, "older@example.com", ago=SECOND)
        await notifier.registered(ADA, retweets=True, verified=False)
        await notifier.retweeted(GRACE)
        await notifier.sent()
        assert [mail.to for mail in notifier.mailer.mails] == [NEW]

    async def test_window_of_the_user_goes_on(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == [BY_GRACE]
        await notifier.verified(ADA, NEW)
        await notifier.retweeted(JOAN)
        assert await notifier.later(9 * MINUTE) == [BY_GRACE]
        assert await notifier.later(MINUTE) == [BY_GRACE, BY_JOAN]

    async def test_window_of_the_earlier_address_goes_on(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == [BY_GRACE]
        await notifier.verified(ADA, NEW)
        other = Person(UUID(int=0xDDDD), ADA.name)
        await notifier.registered(other, retweets=True)
        await notifier.retweeted(JOAN, tweet_of(other))
        assert await notifier.later(9 * MINUTE) == [BY_GRACE]
        assert await notifier.later(MINUTE) == [BY_GRACE, BY_JOAN]

    async def test_window_of_the_new_address_goes_on(self, notifier: FakeNotifier) -> None:
        await notifier.registered(KEN, retweets=True)
        await notifier.retweeted(GRACE, tweet_of(KEN))
        assert await notifier.sent() == [BY_GRACE]
        await notifier.deleted(KEN)
        await notifier.retweeted(JOAN)
        await notifier.verified(ADA, address(KEN))
        assert await notifier.later(9 * MINUTE) == [BY_GRACE]
        assert await notifier.later(MINUTE) == [BY_GRACE, BY_JOAN]

    async def test_unsubscribed_new_address_gets_no_mail(self, notifier: FakeNotifier) -> None:
        await notifier.unsubscribed(KEN)
        await notifier.verified(ADA, address(KEN))
        await notifier.retweeted(GRACE)
        assert await notifier.later(60 * MINUTE) == []
        assert (await notifier.settings(ADA)).unsubscribed


class RefusedAddresses:
    """The mail server refuses an address for good."""

    @pytest.fixture(autouse=True)
    async def ada_is_refused(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        notifier.mailer.answers = [REFUSED]
        notifier.clock.advance(MINUTE)
        assert await notifier.sent() == []

    async def test_owner_sees_since_when(self, notifier: FakeNotifier) -> None:
        assert (await notifier.settings(ADA)).undeliverable_since == notifier.clock.now
        assert (await notifier.settings(KEN)).undeliverable_since is None

    async def test_refused_and_further_retweets_are_one_mail_after_a_verification(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.retweeted(JOAN)
        assert await notifier.later(60 * MINUTE) == []
        assert len(notifier.mailer.attempts) == 1
        assert await notifier.dead() == []
        await notifier.verified(ADA)
        assert await notifier.sent() == ["grace and joan retweeted your tweet"]
        assert (await notifier.settings(ADA)).undeliverable_since is None

    async def test_verification_before_the_refusal_changes_nothing(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.verified(ADA, ago=timedelta())
        await notifier.verified(ADA, ago=SECOND)
        assert await notifier.later(60 * MINUTE) == []

    async def test_verification_of_another_address_releases_the_mail(
        self, notifier: FakeNotifier
    ) -> None:
        notifier.clock.advance(SECOND)
        await notifier.verified(ADA, NEW)
        assert await notifier.sent() == [BY_GRACE]
        assert (await notifier.settings(ADA)).undeliverable_since is None

    @pytest.mark.parametrize("kind", AccountMailKind)
    async def test_only_mails_that_the_user_requested_are_sent(
        self, notifier: FakeNotifier, kind: AccountMailKind
    ) -> None:
        """A user with a forgotten password could not sign in to verify the address again."""
        await notifier.asked(account_mail(ADA, kind))
        sent = await notifier.later(60 * MINUTE)
        requested = (
            AccountMailKind.VERIFY_EMAIL,
            AccountMailKind.CHANGE_EMAIL,
            AccountMailKind.RESET_PASSWORD,
        )
        assert bool(sent) is (kind in requested)

    async def test_address_is_refused_in_any_case_of_its_letters(
        self, notifier: FakeNotifier
    ) -> None:
        notice = AccountMailKind.PASSWORD_CHANGED
        await notifier.asked(account_mail(ADA, notice, address=address(ADA).upper()))
        assert await notifier.later(60 * MINUTE) == []

    async def test_refused_verification_mail_is_cancelled(self, notifier: FakeNotifier) -> None:
        await notifier.asked(account_mail(ADA, AccountMailKind.VERIFY_EMAIL))
        notifier.mailer.answers = [REFUSED]
        assert await notifier.later(60 * MINUTE) == []
        assert len(notifier.mailer.attempts) == 2
        assert await notifier.dead() == []

    async def test_new_account_with_the_address_must_verify_it(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.deleted(ADA)
        again = Person(UUID(int=0xDDDD), ADA.name)
        notifier.clock.advance(SECOND)
        await notifier.registered(again, retweets=True, verified=False)
        await notifier.retweeted(JOAN, tweet_of(again))
        assert await notifier.later(60 * MINUTE) == []
        await notifier.verified(again)
        assert await notifier.later(60 * MINUTE) == [BY_JOAN]

    async def test_purge_keeps_refused_addresses(self, notifier: FakeNotifier) -> None:
        later = notifier.clock.now + 60 * MINUTE
        await notifier.unit_of_work.transaction(lambda r: r.purge(later))
        assert (await notifier.settings(ADA)).undeliverable_since

    async def test_refusal_of_the_content_is_not_about_the_address(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(KEN, retweets=True)
        await notifier.retweeted(GRACE, tweet_of(KEN))
        notifier.mailer.answers = [MailRefused("DATA: 554")]
        await notifier.sent()
        assert (await notifier.settings(KEN)).undeliverable_since is None
        assert len(await notifier.dead()) == 1


class AnyOrder:
    @given(order=st.permutations(range(8)), twice=st.sets(st.integers(0, 7)))
    @settings(
        max_examples=10,
        deadline=None,
        # Each example has its own users, and two test classes run the suite.
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
    )
    async def test_events_in_any_order_end_in_the_same_recipients(
        self, notifier: FakeNotifier, order: list[int], twice: set[int]
    ) -> None:
        """Ada moves from one address to another; joan opts in and never verifies hers.

        What is due is sent after each event, and each address that gets a mail is verified by then.
        """
        notifier.forget_all()
        ada, grace, joan = (Person(uuid4(), name) for name in ("ada", "grace", "joan"))
        service, start = notifier.service, notifier.clock.now
        first, second = (f"{ada.id.hex}@{place}.example" for place in ("first", "second"))
        verified: set[str] = set()

        def user(person: Person, email: str, *, retweets: bool) -> Recipient:
            return Recipient(person.id, EmailSettings(retweets), person.name, email)

        def verification(email: str, at: datetime) -> Callable[[UUID], Awaitable[None]]:
            async def handle(event_id: UUID) -> None:
                verified.add(email)
                fact = Recipient(ada.id, email=email, email_verified_at=at)
                await service.save_user(event_id, fact)

            return handle

        async def opt_in(_: UUID) -> None:
            await service.change_settings(ada.id, retweets=True)

        hers, joans = Tweet(uuid4(), ada.id, "Hi"), Tweet(uuid4(), joan.id, "Ho")
        by_grace, on_joans = notifier.retweet(grace, hers), notifier.retweet(grace, joans)
        joins = user(joan, f"{joan.id.hex}@example.com", retweets=True)
        events: list[Callable[[UUID], Awaitable[None]]] = [
            lambda e: service.save_user(e, user(ada, first, retweets=True)),
            verification(first, start + SECOND),
            verification(second, start + 2 * SECOND),
            opt_in,
            lambda e: service.save_user(e, joins),
            lambda e: service.report_retweet(e, hers, by_grace),
            lambda e: service.report_retweet(e, joans, on_joans),
            lambda e: service.save_user(e, user(grace, "grace@example.com", retweets=False)),
        ]
        ids = [uuid4() for _ in events]
        earlier = len(notifier.mailer.mails)
        for n in order:
            for _ in range(2 if n in twice else 1):
                await events[n](ids[n])
                await notifier.later(SECOND)
                assert {mail.to for mail in notifier.mailer.mails[earlier:]} <= verified
        await notifier.later(20 * MINUTE)
        assert [mail.subject for mail in notifier.mailer.mails[earlier:]] == [BY_GRACE]
        known = await notifier.unit_of_work.transaction(lambda r: r.recipients.lock(ada.id))
        assert known
        assert (known.username, known.email) == ("ada", second)
        assert known.email_verified_at == start + 2 * SECOND
