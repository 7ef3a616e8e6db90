"""The behaviour of the service, the sender and the dead letters, for any repositories.

`test_service.py` runs this suite on the fakes and the integration tests run it on PostgreSQL, so
the fakes behave as the database does.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.dead_letters import DeadLetterNotFoundError
from notifier.domain import EmailSettings, Recipient, State, Tweet, UnsubscribeLink
from notifier.errors import MailDeferred, MailRefused, MailServerUnavailable
from tests.unit.notifier.fakes import (
    ADA,
    CROWD,
    DIGESTS,
    GRACE,
    JOAN,
    KEN,
    MINUTE,
    OTHER_TWEET,
    TWEET,
    FakeMailer,
    FakeNotifier,
    Person,
    address,
    link_to,
    tweet_of,
    undone,
)

BY_GRACE = "grace retweeted your tweet"
BY_JOAN = "joan retweeted your tweet"
BY_KEN = "ken retweeted your tweet"


class Settings:
    async def test_mails_are_off_by_default(self, notifier: FakeNotifier) -> None:
        assert not await notifier.wants_mail(ADA)
        await notifier.registered(ADA)
        assert not await notifier.wants_mail(ADA)

    async def test_sign_up_can_opt_in(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        assert await notifier.wants_mail(ADA)

    async def test_change_is_returned_and_saved(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA)
        for wanted in (True, False):
            changed = await notifier.service.change_settings(ADA.id, retweets=wanted)
            assert changed
            assert changed.retweets is await notifier.wants_mail(ADA) is wanted

    async def test_setting_left_out_is_unchanged(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        unchanged = await notifier.service.change_settings(ADA.id, retweets=None)
        assert unchanged == EmailSettings(retweets=True)

    async def test_change_before_the_registration_is_kept(self, notifier: FakeNotifier) -> None:
        await notifier.service.change_settings(ADA.id, retweets=True)
        await notifier.registered(ADA)
        assert await notifier.wants_mail(ADA)

    async def test_unsubscribing_twice_equals_once(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        for _ in range(2):
            await notifier.unsubscribed(ADA)
            assert not await notifier.wants_mail(ADA)

    async def test_each_user_has_own_settings(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.registered(GRACE)
        settings = await notifier.service.settings([ADA.id, GRACE.id, JOAN.id])
        assert [settings[p.id].retweets for p in (ADA, GRACE, JOAN)] == [True, False, False]


class Unsubscribe:
    """By the link in a mail, which proves who reads the address."""

    async def test_account_cannot_switch_mails_on_again(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.unsubscribed(ADA)
        assert await notifier.settings(ADA) == EmailSettings(retweets=False, unsubscribed=True)
        changed = await notifier.service.change_settings(ADA.id, retweets=True)
        assert changed == EmailSettings(retweets=False, unsubscribed=True)
        await notifier.retweeted(GRACE)
        assert await notifier.later(60 * MINUTE) == []

    async def test_new_account_with_the_address_is_unsubscribed_too(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.unsubscribed(ADA)
        await notifier.deleted(ADA)
        again = Person(UUID(int=0xDDDD), "Ada")  # the same address in another case
        await notifier.registered(again, retweets=True)
        assert await notifier.settings(again) == EmailSettings(retweets=False, unsubscribed=True)
        await notifier.retweeted(GRACE, tweet_of(again))
        assert await notifier.later(60 * MINUTE) == []

    async def test_link_of_a_deleted_account_applies_to_the_next_account(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.deleted(ADA)
        again = Person(UUID(int=0xDDDD), ADA.name)
        await notifier.registered(again, retweets=True)
        await notifier.unsubscribed(ADA)
        assert await notifier.settings(again) == EmailSettings(retweets=False, unsubscribed=True)
        await notifier.service.resubscribe(link_to(ADA))
        assert await notifier.settings(again) == EmailSettings(retweets=True)

    async def test_unsubscribing_switches_mails_of_the_account_off(
        self, notifier: FakeNotifier
    ) -> None:
        """Seen when the link of an earlier account resubscribes the address alone."""
        again = Person(UUID(int=0xDDDD), ADA.name)
        await notifier.registered(ADA, retweets=True)
        await notifier.deleted(ADA)
        await notifier.registered(again, retweets=True)
        await notifier.unsubscribed(again)
        await notifier.service.resubscribe(link_to(ADA))
        assert await notifier.settings(again) == EmailSettings(retweets=False)

    async def test_mail_that_waits_for_the_address_is_not_sent(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.service.unsubscribe(link_to(ADA))
        await notifier.retweeted(GRACE)
        await notifier.registered(ADA, retweets=True)
        assert await notifier.later(60 * MINUTE) == []

    async def test_same_link_resubscribes(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA)
        for _ in range(2):
            await notifier.unsubscribed(ADA)
            await notifier.service.resubscribe(link_to(ADA))
            assert await notifier.settings(ADA) == EmailSettings(retweets=True)
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == [BY_GRACE]

    async def test_other_addresses_are_not_affected(self, notifier: FakeNotifier) -> None:
        for person in (ADA, JOAN):
            await notifier.registered(person, retweets=True)
        await notifier.unsubscribed(ADA)
        assert await notifier.settings(JOAN) == EmailSettings(retweets=True)

    async def test_link_without_an_address_applies_to_that_of_the_account(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        old = UnsubscribeLink(ADA.id)
        await notifier.service.unsubscribe(old)
        assert await notifier.settings(ADA) == EmailSettings(retweets=False, unsubscribed=True)
        await notifier.service.resubscribe(old)
        assert await notifier.settings(ADA) == EmailSettings(retweets=True)

    async def test_link_signed_with_an_earlier_secret_is_valid(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        old = UnsubscribeLink(ADA.id, DIGESTS.all(address(ADA))[1])
        await notifier.service.unsubscribe(old)
        assert not await notifier.wants_mail(ADA)
        # Resubscribing removes the digests of both secrets.
        await notifier.unsubscribed(ADA)
        await notifier.service.resubscribe(old)
        assert await notifier.wants_mail(ADA)

    async def test_purge_keeps_unsubscribed_addresses_and_removes_windows(
        self, notifier: FakeNotifier
    ) -> None:
        for person in (ADA, JOAN):
            await notifier.registered(person, retweets=True)
            await notifier.retweeted(GRACE, tweet_of(person))
        await notifier.sent()
        for person in (ADA, JOAN):
            await notifier.deleted(person)
        await notifier.service.unsubscribe(link_to(ADA))
        later = notifier.clock.now + 60 * MINUTE
        # Six events, and the window of joan's address.
        assert await notifier.unit_of_work.transaction(lambda r: r.purge(later)) == 7
        again = Person(UUID(int=0xDDDD), ADA.name)
        await notifier.registered(again, retweets=True)
        assert not await notifier.wants_mail(again)


class Snapshot:
    """The published settings, for a service that starts late."""

    async def test_change_is_published_with_its_time(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA)
        await notifier.service.change_settings(ADA.id, retweets=True)
        (event,) = await notifier.published()
        assert (event.type, event.subject) == ("email-settings-changed", str(ADA.id))
        assert event.data == {"userId": str(ADA.id), "retweets": True}
        assert event.time == notifier.clock.now

    async def test_unsubscribing_is_published(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.service.unsubscribe(UnsubscribeLink(ADA.id))
        (event,) = await notifier.published()
        assert event.data["retweets"] is False

    async def test_nothing_is_published_for_a_deleted_user(self, notifier: FakeNotifier) -> None:
        await notifier.deleted(ADA)
        await notifier.service.change_settings(ADA.id, retweets=True)
        assert await notifier.published() == []

    async def test_second_change_is_later_even_if_the_clock_goes_back(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.service.change_settings(ADA.id, retweets=True)
        notifier.clock.advance(-MINUTE)
        await notifier.service.change_settings(ADA.id, retweets=False)
        first, second = await notifier.published()
        assert first.time < second.time

    async def test_snapshot_has_the_last_change_of_each_user(self, notifier: FakeNotifier) -> None:
        for person in (ADA, GRACE, JOAN):
            await notifier.registered(person)
        for retweets in (True, False, True):
            await notifier.service.change_settings(GRACE.id, retweets=retweets)
        await notifier.deleted(JOAN)
        published = await notifier.published()
        (ada, of_ada), (grace, of_grace) = await notifier.service.snapshot(UUID(int=0), 10)
        assert (ada, of_ada.data["retweets"]) == (ADA.id, False)
        assert (grace, of_grace) == (GRACE.id, published[-1])

    async def test_snapshot_has_pages(self, notifier: FakeNotifier) -> None:
        for person in CROWD[:5]:
            await notifier.registered(person)
        found, after = [], UUID(int=0)
        while page := await notifier.service.snapshot(after, 2):
            after = page[-1][0]
            found += [user_id for user_id, _ in page]
        assert found == [person.id for person in CROWD[:5]]


class RepeatedRegistration:
    """A snapshot of auth repeats registrations, with the current settings."""

    async def test_later_change_wins(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.registered(ADA, retweets=False, changed_at=notifier.clock.now)
        assert not await notifier.wants_mail(ADA)

    async def test_settings_of_sign_up_do_not_replace_a_change(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=False, changed_at=notifier.clock.now)
        await notifier.registered(ADA, retweets=True)
        assert not await notifier.wants_mail(ADA)

    async def test_older_change_does_not_replace_a_newer_one(self, notifier: FakeNotifier) -> None:
        await notifier.service.change_settings(ADA.id, retweets=True)
        await notifier.registered(ADA, retweets=False, changed_at=notifier.clock.now - MINUTE)
        assert await notifier.wants_mail(ADA)

    async def test_settings_without_a_time_do_not_replace_a_change(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.service.change_settings(ADA.id, retweets=True)
        await notifier.registered(ADA, retweets=False)
        assert await notifier.wants_mail(ADA)


class ForgetUser:
    async def test_late_events_do_not_bring_the_user_back(self, notifier: FakeNotifier) -> None:
        await notifier.deleted(ADA)
        await notifier.registered(ADA, retweets=True)
        assert await notifier.service.change_settings(ADA.id, retweets=True) is None
        await notifier.service.unsubscribe(UnsubscribeLink(ADA.id))
        assert not await notifier.wants_mail(ADA)
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == []

    async def test_unsent_mail_is_removed(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        await notifier.deleted(ADA)
        assert await notifier.sent() == []
        assert await notifier.unit_of_work.read(lambda r: r.deliveries.next_due()) is None

    async def test_retweets_by_a_deleted_user_are_not_reported(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        await notifier.deleted(GRACE)
        await notifier.retweeted(GRACE, OTHER_TWEET)
        assert await notifier.sent() == []

    async def test_late_retweet_by_a_deleted_user_is_not_reported(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.deleted(GRACE)
        await notifier.retweeted(GRACE)
        await notifier.registered(GRACE, retweets=True)
        await notifier.retweeted(GRACE, OTHER_TWEET)
        assert await notifier.later(20 * MINUTE) == []
        assert not await notifier.wants_mail(GRACE)

    @given(order=st.permutations(range(9)), twice=st.sets(st.integers(0, 8)))
    @settings(
        max_examples=15,
        deadline=None,
        # Each example has its own users, and two test classes run the suite.
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
    )
    async def test_no_order_of_events_makes_a_mail_name_or_reach_a_deleted_user(
        self, notifier: FakeNotifier, order: list[int], twice: set[int]
    ) -> None:
        """Some events arrive twice. Nothing is sent until all have arrived."""
        ada, grace, joan = (Person(uuid4(), name) for name in ("ada", "grace", "joan"))
        hers, joans = Tweet(uuid4(), grace.id, "Hi"), Tweet(uuid4(), joan.id, "Ho")
        by_grace, by_ada = notifier.retweet(grace, joans), notifier.retweet(ada, joans)
        of_hers = notifier.retweet(ada, hers)
        wanted = EmailSettings(retweets=True)
        service = notifier.service

        def register(person: Person) -> Callable[[UUID], Awaitable[None]]:
            email, now = f"{person.name}@example.com", notifier.clock.now
            user = Recipient(person.id, wanted, person.name, email, email_verified_at=now)
            return lambda event_id: service.save_user(event_id, user)

        events: list[Callable[[UUID], Awaitable[None]]] = [
            register(grace),
            register(joan),
            register(ada),
            lambda event_id: service.forget_user(event_id, grace.id),
            lambda event_id: service.report_retweet(event_id, joans, by_grace),
            lambda event_id: service.undo_retweet(event_id, undone(by_grace)),
            lambda event_id: service.report_retweet(event_id, hers, of_hers),
            lambda event_id: service.forget_tweet(event_id, hers.id),
            lambda event_id: service.report_retweet(event_id, joans, by_ada),
        ]
        ids = [uuid4() for _ in events]
        earlier = len(notifier.mailer.mails)
        for n in order:
            for _ in range(2 if n in twice else 1):
                await events[n](ids[n])
        await notifier.later(20 * MINUTE)
        assert [(mail.to, mail.subject) for mail in notifier.mailer.mails[earlier:]] == [
            ("joan@example.com", "ada retweeted your tweet")
        ]
        assert not await notifier.wants_mail(grace)

    async def test_leased_delivery_has_no_draft_afterwards(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        leased = await notifier.unit_of_work.transaction(
            lambda r: r.deliveries.lease(
                1, account_mails=1, now=notifier.clock.now, until=notifier.clock.now
            )
        )
        await notifier.deleted(ADA)
        assert await notifier.unit_of_work.read(lambda r: r.deliveries.drafts(leased)) == []


class ReportRetweet:
    async def test_first_retweet_is_mailed_at_once(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == [BY_GRACE]
        (mail,) = notifier.mailer.mails
        assert (mail.to, mail.to_name) == ("ada@example.com", "ada")
        assert TWEET.text in mail.text
        assert str(TWEET.id) in mail.text

    async def test_second_retweet_before_the_first_mail_waits_for_the_window(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        for person in (GRACE, JOAN):
            await notifier.retweeted(person)
        assert await notifier.sent() == [BY_GRACE]
        assert await notifier.later(10 * MINUTE) == [BY_GRACE, BY_JOAN]

    async def test_retweet_after_a_cancelled_mail_is_mailed(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        await notifier.service.change_settings(ADA.id, retweets=False)
        assert await notifier.sent() == []
        await notifier.service.change_settings(ADA.id, retweets=True)
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == [BY_GRACE]

    async def test_repeated_event_has_no_effect(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        event_id, retweet = uuid4(), notifier.retweet(GRACE)
        for _ in range(3):
            await notifier.service.report_retweet(event_id, TWEET, retweet)
            assert await notifier.later(20 * MINUTE) == [BY_GRACE]

    async def test_known_retweet_in_another_event_has_no_effect(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        retweet = await notifier.retweeted(GRACE)
        await notifier.service.report_retweet(uuid4(), TWEET, retweet)
        assert await notifier.later(20 * MINUTE) == [BY_GRACE]

    async def test_retweet_by_the_author_is_not_reported(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(ADA)
        assert await notifier.sent() == []

    async def test_author_who_did_not_opt_in_gets_no_mail(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(GRACE)
        await notifier.registered(ADA)
        await notifier.retweeted(JOAN)
        assert await notifier.sent() == []

    async def test_opting_in_later_does_not_report_earlier_retweets(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA)
        await notifier.retweeted(GRACE)
        await notifier.service.change_settings(ADA.id, retweets=True)
        assert await notifier.sent() == []
        await notifier.retweeted(JOAN)
        assert await notifier.sent() == [BY_JOAN]

    async def test_opting_out_cancels_the_unsent_mail(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        await notifier.unsubscribed(ADA)
        assert await notifier.sent() == []
        await notifier.service.change_settings(ADA.id, retweets=True)
        assert await notifier.later(60 * MINUTE) == []

    async def test_mail_waits_for_the_address(self, notifier: FakeNotifier) -> None:
        await notifier.service.change_settings(ADA.id, retweets=True)
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == []
        assert await notifier.unit_of_work.read(lambda r: r.deliveries.next_due()) is None
        await notifier.registered(ADA)
        assert await notifier.sent() == [BY_GRACE]

    async def test_waiting_for_the_address_costs_no_attempt(self, notifier: FakeNotifier) -> None:
        await notifier.service.change_settings(ADA.id, retweets=True)
        await notifier.retweeted(GRACE)
        for _ in range(20):
            assert await notifier.later(60 * MINUTE) == []
        await notifier.registered(ADA)
        assert await notifier.sent() == [BY_GRACE]

    async def test_retweet_before_the_registration_is_mailed_after_it(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == []
        await notifier.registered(ADA, retweets=True)
        assert await notifier.wants_mail(ADA)
        assert await notifier.sent() == [BY_GRACE]

    async def test_retweets_before_the_registration_are_one_mail(
        self, notifier: FakeNotifier
    ) -> None:
        for person in (GRACE, JOAN):
            await notifier.retweeted(person)
            assert await notifier.later(20 * MINUTE) == []
        await notifier.registered(ADA, retweets=True)
        both = "grace and joan retweeted your tweet"
        assert await notifier.sent() == [both]
        await notifier.retweeted(KEN)
        assert await notifier.later(9 * MINUTE) == [both]
        assert await notifier.later(MINUTE) == [both, BY_KEN]

    async def test_retweet_undone_before_the_registration_is_not_mailed(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.undone(await notifier.retweeted(GRACE))
        await notifier.retweeted(JOAN)
        await notifier.undone(await notifier.retweeted(KEN, OTHER_TWEET))
        await notifier.registered(ADA, retweets=True)
        assert await notifier.later(60 * MINUTE) == [BY_JOAN]

    async def test_age_of_the_oldest_waiting_mail_is_known(self, notifier: FakeNotifier) -> None:
        since = notifier.clock.now
        await notifier.retweeted(GRACE)
        notifier.clock.advance(MINUTE)
        await notifier.retweeted(GRACE, OTHER_TWEET)
        assert await notifier.unit_of_work.read(lambda r: r.deliveries.waiting_since()) == since
        await notifier.registered(ADA, retweets=True)
        assert await notifier.unit_of_work.read(lambda r: r.deliveries.waiting_since()) is None
        # Due from the registration on, not from the retweet on: the mail is not overdue.
        due = await notifier.unit_of_work.read(lambda r: r.deliveries.next_due())
        assert due == notifier.clock.now

    async def test_mail_that_waits_for_a_user_without_opt_in_is_not_sent(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.retweeted(GRACE)
        assert await notifier.wants_mail(ADA) is False
        await notifier.registered(ADA)
        assert await notifier.later(60 * MINUTE) == []
        await notifier.service.change_settings(ADA.id, retweets=True)
        assert await notifier.later(60 * MINUTE) == []

    async def test_mail_that_waits_for_a_deleted_user_is_not_sent(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.retweeted(GRACE)
        await notifier.deleted(ADA)
        await notifier.registered(ADA, retweets=True)
        assert await notifier.later(60 * MINUTE) == []

    async def test_opting_out_before_the_registration_cancels_the_waiting_mail(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.retweeted(GRACE)
        await notifier.service.change_settings(ADA.id, retweets=False)
        await notifier.registered(ADA, retweets=True)
        assert not await notifier.wants_mail(ADA)
        assert await notifier.later(60 * MINUTE) == []

    async def test_retweets_of_a_deleted_tweet_are_not_reported(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        await notifier.tweet_deleted()
        await notifier.retweeted(JOAN)
        assert await notifier.later(60 * MINUTE) == []


class UndoRetweet:
    async def test_undone_before_the_mail_cancels_it(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.undone(await notifier.retweeted(GRACE))
        assert await notifier.sent() == []

    async def test_retweeting_again_after_the_mail_sends_no_second_one(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        for _ in range(3):
            retweet = await notifier.retweeted(GRACE)
            assert await notifier.later(20 * MINUTE) == [BY_GRACE]
            await notifier.undone(retweet)

    async def test_retweeting_repeatedly_before_the_mail_sends_one(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        for _ in range(3):
            await notifier.undone(await notifier.retweeted(GRACE))
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == [BY_GRACE]
        assert await notifier.later(60 * MINUTE) == [BY_GRACE]

    async def test_retweeting_again_after_a_cancelled_mail_sends_one(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.undone(await notifier.retweeted(GRACE))
        assert await notifier.sent() == []
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == [BY_GRACE]

    async def test_retweeting_again_during_retries_sends_one(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        notifier.mailer.answers = [MailDeferred("DATA: SMTPServerDisconnected")]
        retweet = await notifier.retweeted(GRACE)
        assert await notifier.sent() == []
        await notifier.undone(retweet)
        await notifier.retweeted(GRACE)
        assert await notifier.later(60 * MINUTE) == [BY_GRACE]

    async def test_undo_before_its_retweet_suppresses_it(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        retweet = notifier.retweet(GRACE)
        await notifier.undone(retweet)
        await notifier.service.report_retweet(uuid4(), TWEET, retweet)
        assert await notifier.sent() == []
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == [BY_GRACE]

    async def test_undo_after_a_later_retweet_has_no_effect(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        first = await notifier.retweeted(GRACE)
        await notifier.retweeted(GRACE)
        await notifier.undone(first)
        assert await notifier.later(60 * MINUTE) == [BY_GRACE]

    async def test_undo_of_an_unknown_retweet_sends_nothing(self, notifier: FakeNotifier) -> None:
        await notifier.undone(notifier.retweet(GRACE))
        assert await notifier.sent() == []


class Digest:
    @pytest.fixture(autouse=True)
    async def first_mail_is_sent(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == [BY_GRACE]

    async def test_second_retweet_waits_for_the_end_of_the_window(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.retweeted(JOAN)
        assert await notifier.later(9 * MINUTE) == [BY_GRACE]
        assert await notifier.later(MINUTE) == [BY_GRACE, BY_JOAN]

    async def test_retweets_in_the_window_are_one_mail(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(JOAN)
        notifier.clock.advance(5 * MINUTE)
        await notifier.retweeted(KEN)
        assert await notifier.later(5 * MINUTE) == [
            BY_GRACE,
            "joan and ken retweeted your tweet",
        ]

    async def test_two_retweeters_are_named_and_the_others_counted(
        self, notifier: FakeNotifier
    ) -> None:
        for person in CROWD:
            await notifier.retweeted(person)
        assert (await notifier.later(10 * MINUTE))[1:] == [
            "user0, user1 and 41 others retweeted your tweet"
        ]

    async def test_digest_opens_the_next_window(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(JOAN)
        await notifier.later(12 * MINUTE)
        await notifier.retweeted(KEN)
        assert await notifier.later(9 * MINUTE) == [BY_GRACE, BY_JOAN]
        assert await notifier.later(MINUTE) == [BY_GRACE, BY_JOAN, BY_KEN]

    async def test_retweet_after_the_window_is_mailed_at_once(self, notifier: FakeNotifier) -> None:
        notifier.clock.advance(10 * MINUTE)
        await notifier.retweeted(JOAN)
        assert await notifier.sent() == [BY_GRACE, BY_JOAN]

    async def test_window_spans_all_tweets_of_a_user(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(JOAN, OTHER_TWEET)
        assert await notifier.later(9 * MINUTE) == [BY_GRACE]
        assert await notifier.later(MINUTE) == [BY_GRACE, BY_JOAN]

    async def test_digest_shows_the_five_most_retweeted_tweets(
        self, notifier: FakeNotifier
    ) -> None:
        tweets = [tweet_of(ADA, n) for n in range(9)]
        for tweet in tweets:
            await notifier.retweeted(GRACE, tweet)
        await notifier.retweeted(JOAN, tweets[7])
        assert await notifier.later(10 * MINUTE) == [
            BY_GRACE,
            "grace and joan retweeted 9 of your tweets",
        ]
        text = notifier.mailer.mails[1].text
        shown = [n for n in range(9) if f"> tweet {n}\n" in text]
        assert shown == [0, 1, 2, 3, 7]
        assert text.index("> tweet 7") < text.index("> tweet 0")
        assert "2 retweets, by grace and joan." in text
        assert "And 4 more of your tweets." in text
        assert await notifier.later(60 * MINUTE) == notifier.subjects

    async def test_each_user_has_a_separate_window(self, notifier: FakeNotifier) -> None:
        await notifier.registered(KEN, retweets=True)
        await notifier.retweeted(JOAN, tweet_of(KEN))
        assert await notifier.sent() == [BY_GRACE, BY_JOAN]

    async def test_retweeter_of_two_tweets_is_named_once(self, notifier: FakeNotifier) -> None:
        for tweet in (TWEET, OTHER_TWEET):
            await notifier.retweeted(JOAN, tweet)
        assert await notifier.later(10 * MINUTE) == [BY_GRACE, "joan retweeted 2 of your tweets"]

    async def test_tweet_deleted_in_the_window_is_left_out(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(JOAN)
        await notifier.retweeted(KEN, OTHER_TWEET)
        await notifier.tweet_deleted(OTHER_TWEET)
        assert await notifier.later(10 * MINUTE) == [BY_GRACE, BY_JOAN]
        assert OTHER_TWEET.text not in notifier.mailer.mails[1].text

    async def test_new_account_with_the_address_continues_the_window(
        self, notifier: FakeNotifier
    ) -> None:
        again = Person(UUID(int=0xDDDD), ADA.name)
        await notifier.deleted(ADA)
        await notifier.registered(again, retweets=True)
        await notifier.retweeted(JOAN, tweet_of(again))
        assert await notifier.later(9 * MINUTE) == [BY_GRACE]
        assert await notifier.later(MINUTE) == [BY_GRACE, BY_JOAN]

    async def test_window_continues_for_a_retweet_before_the_registration(
        self, notifier: FakeNotifier
    ) -> None:
        again = Person(UUID(int=0xDDDD), ADA.name)
        await notifier.retweeted(KEN)  # a digest that is never sent
        await notifier.deleted(ADA)
        await notifier.retweeted(JOAN, tweet_of(again))
        await notifier.registered(again, retweets=True)
        assert await notifier.later(9 * MINUTE) == [BY_GRACE]
        assert await notifier.later(MINUTE) == [BY_GRACE, BY_JOAN]

    async def test_overdue_digest_takes_in_further_retweets(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(JOAN)
        notifier.clock.advance(60 * MINUTE)
        await notifier.retweeted(KEN)
        assert await notifier.sent() == [BY_GRACE, "joan and ken retweeted your tweet"]

    async def test_digest_never_changes_after_its_first_attempt(
        self, notifier: FakeNotifier
    ) -> None:
        """The server may have accepted it, and drops a second mail with the same Message-ID."""
        await notifier.retweeted(JOAN)
        notifier.mailer.answers = [MailDeferred("DATA: SMTPServerDisconnected")]
        await notifier.later(10 * MINUTE)
        await notifier.retweeted(KEN)
        assert await notifier.later(5 * MINUTE) == [BY_GRACE, BY_JOAN]
        assert await notifier.later(5 * MINUTE) == [BY_GRACE, BY_JOAN, BY_KEN]

    async def test_undone_retweet_is_left_out_of_the_digest(self, notifier: FakeNotifier) -> None:
        joans = await notifier.retweeted(JOAN)
        await notifier.retweeted(KEN)
        await notifier.undone(joans)
        assert await notifier.later(10 * MINUTE) == [BY_GRACE, BY_KEN]

    async def test_digest_without_retweets_is_not_sent(self, notifier: FakeNotifier) -> None:
        retweets = [await notifier.retweeted(person) for person in (JOAN, KEN)]
        for retweet in retweets:
            await notifier.undone(retweet)
        assert await notifier.later(60 * MINUTE) == [BY_GRACE]

    async def test_opting_out_in_the_window_cancels_the_digest(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.retweeted(JOAN)
        await notifier.unsubscribed(ADA)
        assert await notifier.later(60 * MINUTE) == [BY_GRACE]

    async def test_cancelled_mail_opens_no_window(self, notifier: FakeNotifier) -> None:
        notifier.clock.advance(10 * MINUTE)
        await notifier.undone(await notifier.retweeted(GRACE, OTHER_TWEET))
        await notifier.sent()
        await notifier.retweeted(JOAN, OTHER_TWEET)
        assert await notifier.sent() == [BY_GRACE, BY_JOAN]


class Sending:
    @pytest.fixture(autouse=True)
    async def one_mail_is_due(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)

    async def test_deferred_mail_is_retried_with_the_same_message_id(
        self, notifier: FakeNotifier
    ) -> None:
        notifier.mailer.answers = [MailDeferred("RCPT: 451"), TimeoutError()]
        assert await notifier.sent() == []
        assert await notifier.later(timedelta(seconds=59)) == []
        assert len(notifier.mailer.attempts) == 1
        assert await notifier.later(timedelta(seconds=1)) == []
        assert await notifier.later(MINUTE) == []
        assert await notifier.later(MINUTE) == [BY_GRACE]
        assert len({mail.message_id for mail in notifier.mailer.attempts}) == 1
        assert len(notifier.mailer.attempts) == 3

    async def test_mail_is_dead_after_the_last_attempt(self, notifier: FakeNotifier) -> None:
        notifier.mailer.answers = [MailDeferred("RCPT: 451")] * 3
        for _ in range(5):
            assert await notifier.later(10 * MINUTE) == []
        (dead,) = await notifier.dead()
        assert (dead.attempts, dead.last_error) == (3, "RCPT: 451")

    async def test_refused_mail_is_dead_at_once(self, notifier: FakeNotifier) -> None:
        notifier.mailer.answers = [MailRefused("RCPT: 550 5.1.1")]
        assert await notifier.later(60 * MINUTE) == []
        (dead,) = await notifier.dead()
        assert (dead.attempts, dead.last_error) == (1, "RCPT: 550 5.1.1")

    async def test_unavailable_server_costs_no_attempt(self, notifier: FakeNotifier) -> None:
        notifier.mailer.answers = [MailServerUnavailable("connecting: SMTPConnectError")] * 50
        for _ in range(50):
            assert await notifier.later(10 * MINUTE) == []
        assert await notifier.dead() == []
        assert await notifier.later(10 * MINUTE) == [BY_GRACE]

    async def test_unavailable_server_pauses_all_sending(self, notifier: FakeNotifier) -> None:
        for person in CROWD:
            await notifier.registered(person, retweets=True)
            await notifier.retweeted(GRACE, tweet_of(person))
        notifier.mailer.answers = [MailServerUnavailable("connecting: SMTPConnectError")] * 50
        await notifier.sent()
        tried = len(notifier.mailer.attempts)
        assert tried < len(CROWD)
        await notifier.sent()
        assert len(notifier.mailer.attempts) == tried
        # After the pause one mail goes alone.
        await notifier.later(timedelta(seconds=1))
        assert len(notifier.mailer.attempts) == tried + 1
        notifier.mailer.answers = []
        assert len(await notifier.later(MINUTE)) == len(CROWD) + 1

    async def test_unexpected_error_affects_only_its_mail(self, notifier: FakeNotifier) -> None:
        notifier.mailer.answers = [RuntimeError("broken")] * 3
        for _ in range(3):
            await notifier.later(10 * MINUTE)
        (dead,) = await notifier.dead()
        assert dead.last_error == "RuntimeError"

    async def test_delivery_of_a_killed_process_is_sent_after_its_lease(
        self, notifier: FakeNotifier
    ) -> None:
        now = notifier.clock.now
        await notifier.unit_of_work.transaction(
            lambda r: r.deliveries.lease(1, account_mails=1, now=now, until=now + 3 * MINUTE)
        )
        assert await notifier.later(2 * MINUTE) == []
        assert await notifier.later(MINUTE) == [BY_GRACE]

    async def test_delivery_without_any_outcome_is_dead_after_its_attempts(
        self, notifier: FakeNotifier
    ) -> None:
        for _ in range(3):
            now = notifier.clock.now
            await notifier.unit_of_work.transaction(
                lambda r, now=now: r.deliveries.lease(1, account_mails=1, now=now, until=now)  # type: ignore[misc]
            )
        assert await notifier.sent() == []
        assert [dead.last_error for dead in await notifier.dead()] == ["no attempt had an outcome"]

    async def test_delivery_is_not_sent_after_its_lease(self, notifier: FakeNotifier) -> None:
        """As if the process were suspended between the first and the second of two mails."""
        await notifier.registered(KEN, retweets=True)
        await notifier.retweeted(GRACE, tweet_of(KEN))
        notifier.policy = replace(notifier.policy, connections=1)
        mailer = FakeMailer(answers=[lambda: notifier.clock.advance(10 * MINUTE)])
        await notifier.another_sender(mailer).deliver_due()
        assert len(mailer.mails) == 2
        assert len(mailer.attempts) == len({mail.message_id for mail in mailer.attempts})

    async def test_sent_delivery_stays_sent(self, notifier: FakeNotifier) -> None:
        """Another process leased the delivery after the first lease had ended, and failed."""

        def meanwhile() -> None:
            notifier.clock.advance(10 * MINUTE)

        slow = FakeMailer(answers=[meanwhile])
        notifier.mailer.answers = [MailRefused("RCPT: 550")]
        await notifier.another_sender(slow).deliver_due()
        assert len(slow.mails) == 1
        assert await notifier.later(60 * MINUTE) == []
        assert await notifier.dead() == []

    async def test_two_senders_send_each_mail_once(self, notifier: FakeNotifier) -> None:
        await notifier.registered(KEN, retweets=True)
        await notifier.retweeted(GRACE, tweet_of(KEN))
        mailer = FakeMailer()
        await notifier.another_sender(mailer).deliver_due()
        await notifier.sent()
        assert len(mailer.mails) + len(notifier.mailer.mails) == 2


class DeadMails:
    """Dead mails beside rejected events, as an operator handles them."""

    @pytest.fixture(autouse=True)
    async def one_mail_is_dead(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        notifier.mailer.answers = [MailRefused("RCPT: 550")]
        await notifier.sent()

    async def test_list_has_mails_and_events_by_age(self, notifier: FakeNotifier) -> None:
        await notifier.rejected_events.add("{}", "malformed")
        letters = await notifier.dead_letters.all()
        reasons = {letter.kind: letter.reason for letter in letters}
        assert reasons == {"mail": "RCPT: 550", "event": "malformed"}
        assert [letter.since for letter in letters] == sorted(letter.since for letter in letters)

    async def test_mail_shows_ids_and_no_address(self, notifier: FakeNotifier) -> None:
        (letter,) = await notifier.dead_letters.all()
        assert await notifier.dead_letters.get(letter.id) == letter
        for shown in (str(ADA.id), str(TWEET.id), "attempts   1"):
            assert shown in letter.details
        assert address(ADA) not in letter.details

    async def test_retried_mail_is_sent(self, notifier: FakeNotifier) -> None:
        (letter,) = await notifier.dead_letters.all()
        await notifier.dead_letters.retry(letter.id)
        assert await notifier.dead_letters.all() == []
        assert await notifier.sent() == [BY_GRACE]

    async def test_retried_mail_has_all_its_attempts(self, notifier: FakeNotifier) -> None:
        (letter,) = await notifier.dead_letters.all()
        await notifier.dead_letters.retry(letter.id)
        notifier.mailer.answers = [MailDeferred("RCPT: 451")] * 2
        for _ in range(2):
            assert await notifier.later(10 * MINUTE) == []
        assert await notifier.later(10 * MINUTE) == [BY_GRACE]

    async def test_dropped_mail_is_never_sent(self, notifier: FakeNotifier) -> None:
        (letter,) = await notifier.dead_letters.all()
        await notifier.dead_letters.drop(letter.id)
        assert await notifier.dead_letters.all() == []
        assert await notifier.later(60 * MINUTE) == []
        with pytest.raises(DeadLetterNotFoundError):
            await notifier.dead_letters.retry(letter.id)

    async def test_event_is_found_and_dropped(self, notifier: FakeNotifier) -> None:
        await notifier.rejected_events.add("{}", "malformed")
        letters = {letter.kind: letter for letter in await notifier.dead_letters.all()}
        mail, event = letters["mail"], letters["event"]
        assert (await notifier.dead_letters.get(event.id)).details == "{}"
        await notifier.dead_letters.drop(event.id)
        assert await notifier.dead_letters.all() == [mail]

    async def test_unsent_mail_is_not_a_dead_letter(self, notifier: FakeNotifier) -> None:
        await notifier.registered(KEN, retweets=True)
        await notifier.retweeted(GRACE, tweet_of(KEN))
        (delivery_id,) = await notifier.unit_of_work.transaction(
            lambda r: r.deliveries.lease(
                1, account_mails=1, now=notifier.clock.now, until=notifier.clock.now
            )
        )
        for action in (
            notifier.dead_letters.get,
            notifier.dead_letters.retry,
            notifier.dead_letters.drop,
        ):
            with pytest.raises(DeadLetterNotFoundError):
                await action(str(delivery_id))

    @pytest.mark.parametrize("letter_id", [str(UUID(int=7)), "7", ""])
    async def test_unknown_id_is_not_found(self, notifier: FakeNotifier, letter_id: str) -> None:
        for action in (
            notifier.dead_letters.get,
            notifier.dead_letters.retry,
            notifier.dead_letters.drop,
        ):
            with pytest.raises(DeadLetterNotFoundError):
                await action(letter_id)


class Purge:
    async def test_mail_that_never_got_an_address_is_removed(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(GRACE)
        # The event, the mail and the retweet.
        before = notifier.clock.now + MINUTE
        assert await notifier.unit_of_work.transaction(lambda r: r.purge(before)) == 3
        await notifier.registered(ADA, retweets=True)
        assert await notifier.later(60 * MINUTE) == []

    async def test_retweet_that_was_mailed_is_kept(self, notifier: FakeNotifier) -> None:
        for person in (ADA, KEN):
            await notifier.registered(person, retweets=True)
        mailed = await notifier.retweeted(GRACE)
        cancelled = await notifier.retweeted(GRACE, tweet_of(KEN))
        await notifier.undone(cancelled)
        assert await notifier.sent() == [BY_GRACE]
        now = notifier.clock.now
        assert await notifier.unit_of_work.transaction(lambda r: r.purge(now)) == 0
        removed = await notifier.unit_of_work.transaction(lambda r: r.purge(now + MINUTE))
        # Five events, the cancelled mail and the undone retweet.
        assert removed == 7
        await notifier.undone(mailed)
        await notifier.retweeted(GRACE)
        assert await notifier.later(60 * MINUTE) == [BY_GRACE]
        last = await notifier.unit_of_work.transaction(lambda r: r.deliveries.lock_last(ADA.id))
        assert last
        assert last.state is State.SENT
