"""What the notifier does, whatever its repositories are made of.

Run against the fakes in `test_service.py` and against PostgreSQL in the integration tests, so that
the fakes cannot lie.
"""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.events import Event
from notifier.domain import EmailSettings, State, Tweet, UnsubscribeLink
from notifier.errors import (
    DeadLetterNotFound,
    InvalidEvent,
    MailDeferred,
    MailRefused,
    MailServerUnavailable,
)
from notifier.events import (
    Happened,
    RetweetUndone,
    TweetDeleted,
    UserDeleted,
    UserRegistered,
)
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
)

BY_GRACE = "grace retweeted your tweet"
BY_JOAN = "joan retweeted your tweet"
BY_KEN = "ken retweeted your tweet"


class Settings:
    async def test_nobody_gets_mail_who_did_not_ask_for_it(self, notifier: FakeNotifier) -> None:
        assert not await notifier.wants_mail(ADA)
        await notifier.registered(ADA)
        assert not await notifier.wants_mail(ADA)

    async def test_signing_up_may_ask_for_it(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        assert await notifier.wants_mail(ADA)

    async def test_they_are_switched_on_and_off(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA)
        for wanted in (True, False):
            changed = await notifier.service.change_settings(ADA.id, retweets=wanted)
            assert changed
            assert changed.retweets is await notifier.wants_mail(ADA) is wanted

    async def test_what_is_left_out_stays(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        unchanged = await notifier.service.change_settings(ADA.id, retweets=None)
        assert unchanged == EmailSettings(retweets=True)

    async def test_a_choice_may_come_before_the_account(self, notifier: FakeNotifier) -> None:
        await notifier.service.change_settings(ADA.id, retweets=True)
        await notifier.registered(ADA)
        assert await notifier.wants_mail(ADA)

    async def test_unsubscribing_twice_is_unsubscribing(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        for _ in range(2):
            await notifier.unsubscribed(ADA)
            assert not await notifier.wants_mail(ADA)

    async def test_they_are_each_ones_own(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.registered(GRACE)
        settings = await notifier.service.settings([ADA.id, GRACE.id, JOAN.id])
        assert [settings[p.id].retweets for p in (ADA, GRACE, JOAN)] == [True, False, False]


class Unsubscribed:
    """By the link in a mail, which proves who reads the address."""

    async def test_no_account_can_switch_it_on_again(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.unsubscribed(ADA)
        assert await notifier.settings(ADA) == EmailSettings(retweets=False, unsubscribed=True)
        changed = await notifier.service.change_settings(ADA.id, retweets=True)
        assert changed == EmailSettings(retweets=False, unsubscribed=True)
        await notifier.retweeted(GRACE)
        assert await notifier.later(60 * MINUTE) == []

    async def test_it_survives_the_account(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.unsubscribed(ADA)
        await notifier.deleted(ADA)
        again = Person(UUID(int=0xDDDD), "Ada")  # the same address in another case
        await notifier.registered(again, retweets=True)
        assert await notifier.settings(again) == EmailSettings(retweets=False, unsubscribed=True)
        await notifier.retweeted(GRACE, tweet_of(again))
        assert await notifier.later(60 * MINUTE) == []

    async def test_the_link_of_a_deleted_account_counts_for_the_next(
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

    async def test_a_mail_that_waits_for_the_address_is_not_sent(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.service.unsubscribe(link_to(ADA))
        await notifier.retweeted(GRACE)
        await notifier.registered(ADA, retweets=True)
        assert await notifier.later(60 * MINUTE) == []

    async def test_the_same_link_takes_it_back(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA)
        for _ in range(2):
            await notifier.unsubscribed(ADA)
            await notifier.service.resubscribe(link_to(ADA))
            assert await notifier.settings(ADA) == EmailSettings(retweets=True)
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == [BY_GRACE]

    async def test_another_address_is_not_concerned(self, notifier: FakeNotifier) -> None:
        for person in (ADA, JOAN):
            await notifier.registered(person, retweets=True)
        await notifier.unsubscribed(ADA)
        assert await notifier.settings(JOAN) == EmailSettings(retweets=True)

    async def test_a_link_of_an_earlier_release_means_the_address_of_the_account(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        old = UnsubscribeLink(ADA.id)
        await notifier.service.unsubscribe(old)
        assert await notifier.settings(ADA) == EmailSettings(retweets=False, unsubscribed=True)
        await notifier.service.resubscribe(old)
        assert await notifier.settings(ADA) == EmailSettings(retweets=True)

    async def test_a_link_under_an_earlier_secret_still_counts(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        old = UnsubscribeLink(ADA.id, DIGESTS.all(address(ADA))[1])
        await notifier.service.unsubscribe(old)
        assert not await notifier.wants_mail(ADA)
        # Both are taken back, whichever was written.
        await notifier.unsubscribed(ADA)
        await notifier.service.resubscribe(old)
        assert await notifier.wants_mail(ADA)

    async def test_purging_forgets_windows_but_not_who_has_unsubscribed(
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
    """What auth would be told if it had forgotten everything."""

    async def test_a_change_is_published_with_its_time(self, notifier: FakeNotifier) -> None:
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

    async def test_nothing_is_published_for_a_deleted_person(self, notifier: FakeNotifier) -> None:
        await notifier.deleted(ADA)
        await notifier.service.change_settings(ADA.id, retweets=True)
        assert await notifier.published() == []

    async def test_a_later_change_has_a_later_time_whatever_the_clock_says(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.service.change_settings(ADA.id, retweets=True)
        notifier.clock.advance(-MINUTE)
        await notifier.service.change_settings(ADA.id, retweets=False)
        first, second = await notifier.published()
        assert first.time < second.time

    async def test_it_is_the_events_of_the_last_changes(self, notifier: FakeNotifier) -> None:
        for person in (ADA, GRACE, JOAN):
            await notifier.registered(person)
        for retweets in (True, False, True):
            await notifier.service.change_settings(GRACE.id, retweets=retweets)
        await notifier.deleted(JOAN)
        told = await notifier.published()
        (ada, of_ada), (grace, of_grace) = await notifier.service.snapshot(UUID(int=0), 10)
        assert (ada, of_ada.data["retweets"]) == (ADA.id, False)
        assert (grace, of_grace) == (GRACE.id, told[-1])

    async def test_it_comes_in_pages(self, notifier: FakeNotifier) -> None:
        for person in CROWD[:5]:
            await notifier.registered(person)
        found, after = [], UUID(int=0)
        while page := await notifier.service.snapshot(after, 2):
            after = page[-1][0]
            found += [user_id for user_id, _ in page]
        assert found == [person.id for person in CROWD[:5]]


class Backfilled:
    """A registration may come again, with the settings of today."""

    async def test_settings_that_were_changed_later_win(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.registered(ADA, retweets=False, changed_at=notifier.clock.now)
        assert not await notifier.wants_mail(ADA)

    async def test_the_choice_of_sign_up_that_comes_after_it_changes_nothing(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=False, changed_at=notifier.clock.now)
        await notifier.registered(ADA, retweets=True)
        assert not await notifier.wants_mail(ADA)

    async def test_an_older_change_gives_way_to_what_is_chosen_here(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.service.change_settings(ADA.id, retweets=True)
        await notifier.registered(ADA, retweets=False, changed_at=notifier.clock.now - MINUTE)
        assert await notifier.wants_mail(ADA)

    async def test_a_change_of_no_known_time_gives_way(self, notifier: FakeNotifier) -> None:
        await notifier.service.change_settings(ADA.id, retweets=True)
        await notifier.registered(ADA, retweets=False)
        assert await notifier.wants_mail(ADA)


class DeletedUser:
    async def test_no_late_event_brings_them_back(self, notifier: FakeNotifier) -> None:
        await notifier.deleted(ADA)
        await notifier.registered(ADA, retweets=True)
        assert await notifier.service.change_settings(ADA.id, retweets=True) is None
        await notifier.service.unsubscribe(UnsubscribeLink(ADA.id))
        assert not await notifier.wants_mail(ADA)
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == []

    async def test_mail_that_was_not_sent_is_gone(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        await notifier.deleted(ADA)
        assert await notifier.sent() == []
        assert await notifier.unit_of_work.read(lambda r: r.deliveries.next_due()) is None

    async def test_nobody_is_told_of_their_retweets(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        await notifier.deleted(GRACE)
        await notifier.retweeted(GRACE, OTHER_TWEET)
        assert await notifier.sent() == []

    async def test_their_retweet_that_is_heard_of_later_tells_nobody(
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
        # Each example has people of its own; the suite is run by two classes.
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
    )
    async def test_in_whatever_order_events_come_no_mail_names_or_reaches_them(
        self, notifier: FakeNotifier, order: list[int], twice: set[int]
    ) -> None:
        """Each event has its id; some of them come twice. Nothing is sent until all have come."""
        ada, grace, joan = (Person(uuid4(), name) for name in ("ada", "grace", "joan"))
        hers, joans = Tweet(uuid4(), grace.id, "Hi"), Tweet(uuid4(), joan.id, "Ho")
        by_grace, by_ada = notifier.retweet(grace, joans), notifier.retweet(ada, joans)
        of_hers = notifier.retweet(ada, hers)
        events: list[Happened] = [
            UserRegistered(grace.id, grace.name, "grace@example.com", retweets=True),
            UserRegistered(joan.id, joan.name, "joan@example.com", retweets=True),
            UserRegistered(ada.id, ada.name, "ada@example.com", retweets=True),
            UserDeleted(grace.id),
            by_grace,
            RetweetUndone(by_grace.retweet_id, joans.id, grace.id),
            of_hers,
            TweetDeleted(hers.id, grace.id),
            by_ada,
        ]
        ids = [uuid4() for _ in events]
        earlier = len(notifier.mailer.mails)
        for n in order:
            for _ in range(2 if n in twice else 1):
                await notifier.service.handle(ids[n], events[n])
        await notifier.later(20 * MINUTE)
        assert [(mail.to, mail.subject) for mail in notifier.mailer.mails[earlier:]] == [
            ("joan@example.com", "ada retweeted your tweet")
        ]
        assert not await notifier.wants_mail(grace)

    async def test_a_mail_may_be_on_its_way(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        (taken,) = await notifier.unit_of_work.transaction(
            lambda r: r.deliveries.take(1, now=notifier.clock.now, until=notifier.clock.now)
        )
        await notifier.deleted(ADA)
        assert await notifier.unit_of_work.read(lambda r: r.deliveries.drafts([taken.id])) == []


class Retweeted:
    async def test_the_author_is_told_at_once(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == [BY_GRACE]
        (mail,) = notifier.mailer.mails
        assert (mail.to, mail.to_name) == ("ada@example.com", "ada")
        assert TWEET.text in mail.text
        assert str(TWEET.id) in mail.text

    async def test_the_same_event_again_changes_nothing(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        event_id, event = uuid4(), notifier.retweet(GRACE)
        for _ in range(3):
            await notifier.service.handle(event_id, event)
            assert await notifier.later(20 * MINUTE) == [BY_GRACE]

    async def test_the_same_retweet_in_another_event_changes_nothing(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        event = await notifier.retweeted(GRACE)
        await notifier.service.handle(uuid4(), event)
        assert await notifier.later(20 * MINUTE) == [BY_GRACE]

    async def test_ones_own_retweet_is_no_news(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(ADA)
        assert await notifier.sent() == []

    async def test_who_did_not_ask_is_not_told(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(GRACE)
        await notifier.registered(ADA)
        await notifier.retweeted(JOAN)
        assert await notifier.sent() == []

    async def test_asking_later_brings_nothing_back(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA)
        await notifier.retweeted(GRACE)
        await notifier.service.change_settings(ADA.id, retweets=True)
        assert await notifier.sent() == []
        await notifier.retweeted(JOAN)
        assert await notifier.sent() == [BY_JOAN]

    async def test_who_opts_out_before_it_is_sent_gets_nothing(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        await notifier.unsubscribed(ADA)
        assert await notifier.sent() == []
        await notifier.service.change_settings(ADA.id, retweets=True)
        assert await notifier.later(60 * MINUTE) == []

    async def test_a_mail_waits_for_the_address(self, notifier: FakeNotifier) -> None:
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

    async def test_it_may_come_before_the_author(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == []
        await notifier.registered(ADA, retweets=True)
        assert await notifier.wants_mail(ADA)
        assert await notifier.sent() == [BY_GRACE]

    async def test_what_waits_for_the_author_goes_together(self, notifier: FakeNotifier) -> None:
        for person in (GRACE, JOAN):
            await notifier.retweeted(person)
            assert await notifier.later(20 * MINUTE) == []
        await notifier.registered(ADA, retweets=True)
        both = "grace and joan retweeted your tweet"
        assert await notifier.sent() == [both]
        await notifier.retweeted(KEN)
        assert await notifier.later(9 * MINUTE) == [both]
        assert await notifier.later(MINUTE) == [both, BY_KEN]

    async def test_it_may_be_undone_before_the_author_comes(self, notifier: FakeNotifier) -> None:
        await notifier.undone(await notifier.retweeted(GRACE))
        await notifier.retweeted(JOAN)
        await notifier.undone(await notifier.retweeted(KEN, OTHER_TWEET))
        await notifier.registered(ADA, retweets=True)
        assert await notifier.later(60 * MINUTE) == [BY_JOAN]

    async def test_how_long_it_has_waited_can_be_seen(self, notifier: FakeNotifier) -> None:
        since = notifier.clock.now
        await notifier.retweeted(GRACE)
        notifier.clock.advance(MINUTE)
        await notifier.retweeted(GRACE, OTHER_TWEET)
        assert await notifier.unit_of_work.read(lambda r: r.deliveries.waiting_since()) == since
        await notifier.registered(ADA, retweets=True)
        assert await notifier.unit_of_work.read(lambda r: r.deliveries.waiting_since()) is None
        # It was due a minute ago, and nobody was late.
        due = await notifier.unit_of_work.read(lambda r: r.deliveries.next_due())
        assert due == notifier.clock.now

    async def test_and_before_an_author_who_wants_none(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(GRACE)
        assert await notifier.wants_mail(ADA) is False
        await notifier.registered(ADA)
        assert await notifier.later(60 * MINUTE) == []
        await notifier.service.change_settings(ADA.id, retweets=True)
        assert await notifier.later(60 * MINUTE) == []

    async def test_and_before_an_author_who_is_gone(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(GRACE)
        await notifier.deleted(ADA)
        await notifier.registered(ADA, retweets=True)
        assert await notifier.later(60 * MINUTE) == []

    async def test_a_choice_may_come_after_it(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(GRACE)
        await notifier.service.change_settings(ADA.id, retweets=False)
        await notifier.registered(ADA, retweets=True)
        assert not await notifier.wants_mail(ADA)
        assert await notifier.later(60 * MINUTE) == []

    async def test_nobody_is_told_about_a_deleted_tweet(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        await notifier.tweet_deleted()
        await notifier.retweeted(JOAN)
        assert await notifier.later(60 * MINUTE) == []


class Undone:
    async def test_before_the_mail_it_takes_the_mail_back(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.undone(await notifier.retweeted(GRACE))
        assert await notifier.sent() == []

    async def test_repeating_it_after_the_mail_sends_nothing(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        for _ in range(3):
            retweet = await notifier.retweeted(GRACE)
            assert await notifier.later(20 * MINUTE) == [BY_GRACE]
            await notifier.undone(retweet)

    async def test_repeating_it_before_the_mail_sends_one(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        for _ in range(3):
            await notifier.undone(await notifier.retweeted(GRACE))
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == [BY_GRACE]
        assert await notifier.later(60 * MINUTE) == [BY_GRACE]

    async def test_repeating_it_after_it_was_taken_back_is_news(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.undone(await notifier.retweeted(GRACE))
        assert await notifier.sent() == []
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == [BY_GRACE]

    async def test_repeating_it_while_the_mail_is_tried_again_sends_one(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        notifier.mailer.answers = [MailDeferred("DATA: SMTPServerDisconnected")]
        retweet = await notifier.retweeted(GRACE)
        assert await notifier.sent() == []
        await notifier.undone(retweet)
        await notifier.retweeted(GRACE)
        assert await notifier.later(60 * MINUTE) == [BY_GRACE]

    async def test_it_may_come_before_the_retweet(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        retweet = notifier.retweet(GRACE)
        await notifier.undone(retweet)
        await notifier.service.handle(uuid4(), retweet)
        assert await notifier.sent() == []
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == [BY_GRACE]

    async def test_it_may_come_after_the_next_retweet(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        first = await notifier.retweeted(GRACE)
        await notifier.retweeted(GRACE)
        await notifier.undone(first)
        assert await notifier.later(60 * MINUTE) == [BY_GRACE]

    async def test_an_unknown_one_is_nothing(self, notifier: FakeNotifier) -> None:
        await notifier.undone(notifier.retweet(GRACE))
        assert await notifier.sent() == []


class Bursts:
    @pytest.fixture(autouse=True)
    async def told_of_the_first(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        assert await notifier.sent() == [BY_GRACE]

    async def test_what_follows_waits_for_the_end_of_the_window(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.retweeted(JOAN)
        assert await notifier.later(9 * MINUTE) == [BY_GRACE]
        assert await notifier.later(MINUTE) == [BY_GRACE, BY_JOAN]

    async def test_and_comes_as_one(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(JOAN)
        notifier.clock.advance(5 * MINUTE)
        await notifier.retweeted(KEN)
        assert await notifier.later(5 * MINUTE) == [
            BY_GRACE,
            "joan and ken retweeted your tweet",
        ]

    async def test_two_are_named_and_the_others_counted(self, notifier: FakeNotifier) -> None:
        for person in CROWD:
            await notifier.retweeted(person)
        assert (await notifier.later(10 * MINUTE))[1:] == [
            "user0, user1 and 41 others retweeted your tweet"
        ]

    async def test_a_digest_opens_the_next_window(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(JOAN)
        await notifier.later(12 * MINUTE)
        await notifier.retweeted(KEN)
        assert await notifier.later(9 * MINUTE) == [BY_GRACE, BY_JOAN]
        assert await notifier.later(MINUTE) == [BY_GRACE, BY_JOAN, BY_KEN]

    async def test_after_the_window_the_next_goes_at_once(self, notifier: FakeNotifier) -> None:
        notifier.clock.advance(10 * MINUTE)
        await notifier.retweeted(JOAN)
        assert await notifier.sent() == [BY_GRACE, BY_JOAN]

    async def test_the_window_is_the_persons_not_the_tweets(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(JOAN, OTHER_TWEET)
        assert await notifier.later(9 * MINUTE) == [BY_GRACE]
        assert await notifier.later(MINUTE) == [BY_GRACE, BY_JOAN]

    async def test_many_tweets_are_one_mail(self, notifier: FakeNotifier) -> None:
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
        assert "Retweeted by grace and joan." in text
        assert "And 4 more of your tweets." in text
        assert await notifier.later(60 * MINUTE) == notifier.subjects

    async def test_each_person_has_a_window_of_their_own(self, notifier: FakeNotifier) -> None:
        await notifier.registered(KEN, retweets=True)
        await notifier.retweeted(JOAN, tweet_of(KEN))
        assert await notifier.sent() == [BY_GRACE, BY_JOAN]

    async def test_a_retweeter_of_two_tweets_is_named_once(self, notifier: FakeNotifier) -> None:
        for tweet in (TWEET, OTHER_TWEET):
            await notifier.retweeted(JOAN, tweet)
        assert await notifier.later(10 * MINUTE) == [BY_GRACE, "joan retweeted 2 of your tweets"]

    async def test_a_tweet_that_is_deleted_meanwhile_is_left_out(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.retweeted(JOAN)
        await notifier.retweeted(KEN, OTHER_TWEET)
        await notifier.tweet_deleted(OTHER_TWEET)
        assert await notifier.later(10 * MINUTE) == [BY_GRACE, BY_JOAN]
        assert OTHER_TWEET.text not in notifier.mailer.mails[1].text

    async def test_a_new_account_of_the_same_address_is_in_the_same_window(
        self, notifier: FakeNotifier
    ) -> None:
        again = Person(UUID(int=0xDDDD), ADA.name)
        await notifier.deleted(ADA)
        await notifier.registered(again, retweets=True)
        await notifier.retweeted(JOAN, tweet_of(again))
        assert await notifier.later(9 * MINUTE) == [BY_GRACE]
        assert await notifier.later(MINUTE) == [BY_GRACE, BY_JOAN]

    async def test_even_one_whose_retweet_comes_before_the_registration(
        self, notifier: FakeNotifier
    ) -> None:
        again = Person(UUID(int=0xDDDD), ADA.name)
        await notifier.retweeted(KEN)  # a digest that is never sent
        await notifier.deleted(ADA)
        await notifier.retweeted(JOAN, tweet_of(again))
        await notifier.registered(again, retweets=True)
        assert await notifier.later(9 * MINUTE) == [BY_GRACE]
        assert await notifier.later(MINUTE) == [BY_GRACE, BY_JOAN]

    async def test_a_late_digest_takes_in_what_comes_meanwhile(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.retweeted(JOAN)
        notifier.clock.advance(60 * MINUTE)
        await notifier.retweeted(KEN)
        assert await notifier.sent() == [BY_GRACE, "joan and ken retweeted your tweet"]

    async def test_one_that_was_tried_says_the_same_ever_after(
        self, notifier: FakeNotifier
    ) -> None:
        """The server may have accepted it; a second one under its name would not be shown."""
        await notifier.retweeted(JOAN)
        notifier.mailer.answers = [MailDeferred("DATA: SMTPServerDisconnected")]
        await notifier.later(10 * MINUTE)
        await notifier.retweeted(KEN)
        assert await notifier.later(5 * MINUTE) == [BY_GRACE, BY_JOAN]
        assert await notifier.later(5 * MINUTE) == [BY_GRACE, BY_JOAN, BY_KEN]

    async def test_who_undoes_it_is_not_named(self, notifier: FakeNotifier) -> None:
        joans = await notifier.retweeted(JOAN)
        await notifier.retweeted(KEN)
        await notifier.undone(joans)
        assert await notifier.later(10 * MINUTE) == [BY_GRACE, BY_KEN]

    async def test_when_all_undo_it_there_is_none(self, notifier: FakeNotifier) -> None:
        retweets = [await notifier.retweeted(person) for person in (JOAN, KEN)]
        for retweet in retweets:
            await notifier.undone(retweet)
        assert await notifier.later(60 * MINUTE) == [BY_GRACE]

    async def test_who_opts_out_meanwhile_gets_none(self, notifier: FakeNotifier) -> None:
        await notifier.retweeted(JOAN)
        await notifier.unsubscribed(ADA)
        assert await notifier.later(60 * MINUTE) == [BY_GRACE]

    async def test_a_mail_that_was_cancelled_opens_no_window(self, notifier: FakeNotifier) -> None:
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

    async def test_what_was_deferred_is_tried_again_under_the_same_name(
        self, notifier: FakeNotifier
    ) -> None:
        notifier.mailer.answers = [MailDeferred("RCPT: 451"), TimeoutError()]
        assert await notifier.sent() == []
        assert await notifier.later(timedelta(seconds=59)) == []
        assert len(notifier.mailer.tried) == 1
        assert await notifier.later(timedelta(seconds=1)) == []
        assert await notifier.later(MINUTE) == []
        assert await notifier.later(MINUTE) == [BY_GRACE]
        assert len({mail.message_id for mail in notifier.mailer.tried}) == 1
        assert len(notifier.mailer.tried) == 3

    async def test_after_some_attempts_it_is_dead(self, notifier: FakeNotifier) -> None:
        notifier.mailer.answers = [MailDeferred("RCPT: 451")] * 3
        for _ in range(5):
            assert await notifier.later(10 * MINUTE) == []
        (dead,) = await notifier.dead()
        assert (dead.attempts, dead.last_error) == (3, "RCPT: 451")

    async def test_what_was_refused_is_dead_at_once(self, notifier: FakeNotifier) -> None:
        notifier.mailer.answers = [MailRefused("RCPT: 550 5.1.1")]
        assert await notifier.later(60 * MINUTE) == []
        (dead,) = await notifier.dead()
        assert (dead.attempts, dead.last_error) == (1, "RCPT: 550 5.1.1")

    async def test_a_server_that_is_away_costs_no_attempt(self, notifier: FakeNotifier) -> None:
        notifier.mailer.answers = [MailServerUnavailable("connecting: SMTPConnectError")] * 50
        for _ in range(50):
            assert await notifier.later(10 * MINUTE) == []
        assert await notifier.dead() == []
        assert await notifier.later(10 * MINUTE) == [BY_GRACE]

    async def test_it_is_left_alone_for_a_while(self, notifier: FakeNotifier) -> None:
        for person in CROWD:
            await notifier.registered(person, retweets=True)
            await notifier.retweeted(GRACE, tweet_of(person))
        notifier.mailer.answers = [MailServerUnavailable("connecting: SMTPConnectError")] * 50
        await notifier.sent()
        tried = len(notifier.mailer.tried)
        assert tried < len(CROWD)
        await notifier.sent()
        assert len(notifier.mailer.tried) == tried
        # Then one mail tries whether it is back.
        await notifier.later(timedelta(seconds=1))
        assert len(notifier.mailer.tried) == tried + 1
        notifier.mailer.answers = []
        assert len(await notifier.later(MINUTE)) == len(CROWD) + 1

    async def test_a_mail_that_cannot_be_written_dies_alone(self, notifier: FakeNotifier) -> None:
        notifier.mailer.answers = [RuntimeError("broken")] * 3
        for _ in range(3):
            await notifier.later(10 * MINUTE)
        (dead,) = await notifier.dead()
        assert dead.last_error == "RuntimeError"

    async def test_what_a_dead_process_had_taken_is_sent_by_another(
        self, notifier: FakeNotifier
    ) -> None:
        now = notifier.clock.now
        await notifier.unit_of_work.transaction(
            lambda r: r.deliveries.take(1, now=now, until=now + 3 * MINUTE)
        )
        assert await notifier.later(2 * MINUTE) == []
        assert await notifier.later(MINUTE) == [BY_GRACE]

    async def test_what_kills_every_process_is_given_up(self, notifier: FakeNotifier) -> None:
        for _ in range(3):
            now = notifier.clock.now
            await notifier.unit_of_work.transaction(
                lambda r, now=now: r.deliveries.take(1, now=now, until=now)  # type: ignore[misc]
            )
        assert await notifier.sent() == []
        assert [dead.last_error for dead in await notifier.dead()] == ["given up"]

    async def test_what_was_taken_too_long_ago_is_left_to_others(
        self, notifier: FakeNotifier
    ) -> None:
        """The process was suspended, say, between taking two mails and sending the second."""
        await notifier.registered(KEN, retweets=True)
        await notifier.retweeted(GRACE, tweet_of(KEN))
        notifier.pace = type(notifier.pace)(notifier.pace.retry, connections=1)
        mailer = FakeMailer(answers=[lambda: notifier.clock.advance(10 * MINUTE)])
        await notifier.another_sender(mailer).deliver_due()
        assert len(mailer.mails) == 2
        assert len(mailer.tried) == len({mail.message_id for mail in mailer.tried})

    async def test_what_is_sent_stays_sent(self, notifier: FakeNotifier) -> None:
        """Another process took it when our right to it had ended, and failed."""

        def meanwhile() -> None:
            notifier.clock.advance(10 * MINUTE)

        slow = FakeMailer(answers=[meanwhile])
        notifier.mailer.answers = [MailRefused("RCPT: 550")]
        await notifier.another_sender(slow).deliver_due()
        assert len(slow.mails) == 1
        assert await notifier.later(60 * MINUTE) == []
        assert await notifier.dead() == []

    async def test_senders_share_the_work(self, notifier: FakeNotifier) -> None:
        await notifier.registered(KEN, retweets=True)
        await notifier.retweeted(GRACE, tweet_of(KEN))
        mailer = FakeMailer()
        await notifier.another_sender(mailer).deliver_due()
        await notifier.sent()
        assert len(mailer.mails) + len(notifier.mailer.mails) == 2


class Dead:
    async def test_a_mail_is_sent_after_all(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        notifier.mailer.answers = [MailRefused("RCPT: 550")]
        await notifier.sent()
        (dead,) = await notifier.letters.all()
        assert await notifier.letters.get(dead.id) == dead
        await notifier.letters.retry(dead.id)
        assert await notifier.letters.all() == []
        assert await notifier.sent() == [BY_GRACE]

    async def test_a_mail_is_dropped(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        notifier.mailer.answers = [MailRefused("RCPT: 550")]
        await notifier.sent()
        (dead,) = await notifier.letters.all()
        await notifier.letters.drop(dead.id)
        assert await notifier.letters.all() == []
        assert await notifier.later(60 * MINUTE) == []
        with pytest.raises(DeadLetterNotFound):
            await notifier.letters.retry(dead.id)

    async def test_the_same_event_is_kept_once(self, notifier: FakeNotifier) -> None:
        for _ in range(2):
            await notifier.letters.add("{}\0", "malformed")
        (rejected,) = await notifier.letters.all()
        await notifier.letters.drop(rejected.id)
        assert await notifier.letters.all() == []

    async def test_an_event_is_handled_after_all(self, notifier: FakeNotifier) -> None:
        event = Event(
            uuid4(),
            "/auth",
            "user-registered",
            str(ADA.id),
            notifier.clock.now,
            {
                "userId": str(ADA.id),
                "username": "ada",
                "email": "ada@example.com",
                "emailSettings": {"retweets": True},
            },
        )
        await notifier.letters.add(event.to_json(), "a mistake of ours, now mended")
        (rejected,) = await notifier.letters.all()
        await notifier.letters.retry(rejected.id)
        assert await notifier.letters.all() == []
        assert await notifier.wants_mail(ADA)

    async def test_an_event_that_still_cannot_be_handled_stays(
        self, notifier: FakeNotifier
    ) -> None:
        event = Event(uuid4(), "/auth", "user-deleted", "x", notifier.clock.now, {"userId": "x"})
        await notifier.letters.add(event.to_json(), "InvalidEvent")
        (rejected,) = await notifier.letters.all()
        with pytest.raises(InvalidEvent):
            await notifier.letters.retry(rejected.id)
        assert await notifier.letters.all() == [rejected]

    async def test_an_unknown_one_is_not_found(self, notifier: FakeNotifier) -> None:
        for what in (notifier.letters.get, notifier.letters.retry, notifier.letters.drop):
            with pytest.raises(DeadLetterNotFound):
                await what(uuid4())


class Purge:
    async def test_what_waited_for_an_address_all_the_time_is_gone(
        self, notifier: FakeNotifier
    ) -> None:
        await notifier.retweeted(GRACE)
        # The event, the mail, and who had retweeted.
        before = notifier.clock.now + MINUTE
        assert await notifier.unit_of_work.transaction(lambda r: r.purge(before)) == 3
        await notifier.registered(ADA, retweets=True)
        assert await notifier.later(60 * MINUTE) == []

    async def test_what_was_mailed_is_remembered(self, notifier: FakeNotifier) -> None:
        for person in (ADA, KEN):
            await notifier.registered(person, retweets=True)
        told = await notifier.retweeted(GRACE)
        untold = await notifier.retweeted(GRACE, tweet_of(KEN))
        await notifier.undone(untold)
        assert await notifier.sent() == [BY_GRACE]
        now = notifier.clock.now
        assert await notifier.unit_of_work.transaction(lambda r: r.purge(now)) == 0
        removed = await notifier.unit_of_work.transaction(lambda r: r.purge(now + MINUTE))
        # Five events, the mail that was taken back, and that it was undone.
        assert removed == 7
        await notifier.undone(told)
        await notifier.retweeted(GRACE)
        assert await notifier.later(60 * MINUTE) == [BY_GRACE]
        last = await notifier.unit_of_work.transaction(lambda r: r.deliveries.last_to(ADA.id))
        assert last
        assert last.state is State.SENT
