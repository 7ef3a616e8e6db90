"""Producers and consumers agree on the events in `events/`.

A field may be added there; renaming or removing one breaks running consumers.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from chassis.events import Event, MalformedEventError
from chassis.exports import answering
from chassis.topology import declared
from notifier import domain as notifier_domain
from notifier import events as notifier
from subgraphs.auth import events as auth
from subgraphs.auth.domain import AccountMail, EmailSettings, MailKind, User
from subgraphs.tweets import events as tweets
from subgraphs.tweets.domain import Author, FeedItem, FeedKind, Tweet

EXAMPLES = Path(__file__).parent / "events"
CREATED = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 22, 12, 30, 0, 250, tzinfo=UTC)

ADA = User(
    id=UUID("01993c1e-0000-7000-8000-00000000ada0"),
    username="ada",
    email="ada@example.com",
    password_hash="hash",
    created_at=CREATED,
)
VERIFIED = replace(ADA, email_verified_at=LATER)
MAIL = AccountMail(
    id=UUID("01993c20-0000-7000-8000-000000000001"),
    kind=MailKind.RESET_PASSWORD,
    address=ADA.email,
    user_id=None,
    seed=b"seed",
    hash=b"hash",
    created_at=LATER,
)
EXPORT_ID = UUID("01993c20-0000-4000-8000-00000000e001")
SESSIONS = [UUID(f"01993c1e-0000-7000-8000-00000000000{n}") for n in (1, 2)]
TWEET = Tweet(
    id=UUID("01993c1f-0000-7000-8000-000000000001"),
    author=Author(ADA.id, ADA.username),
    text="Hello 👋",
    created_at=CREATED,
    retweet_count=3,
)
RETWEET = Tweet(
    id=UUID("01993c1f-0000-7000-8000-000000000002"),
    author=Author(UUID("01993c1e-0000-7000-8000-00000000b0b0"), "bob"),
    text=TWEET.text,
    created_at=LATER,
    retweet_count=3,
    retweet_of=TWEET,
)

PRODUCED: dict[str, Callable[[], Event]] = {
    "user-registered": lambda: auth.user_registered(ADA, EmailSettings(retweets=True)),
    "user-deleted": lambda: auth.user_deleted(ADA.id, LATER),
    "email-verified": lambda: auth.email_verified(VERIFIED),
    "account-mail-requested": lambda: auth.account_mail_requested(MAIL),
    "user-export-requested": lambda: auth.user_export_requested(EXPORT_ID, LATER),
    "session-revoked": lambda: auth.session_revoked(ADA.id, SESSIONS, LATER),
    "tweet-created": lambda: tweets.tweet_created(TWEET, 1),
    "tweet-deleted": lambda: tweets.tweet_deleted(TWEET, LATER),
    "tweet-retweeted": lambda: tweets.tweet_retweeted(RETWEET, 2),
    "retweet-undone": lambda: tweets.retweet_undone(RETWEET, LATER),
    "email-settings-changed": lambda: notifier.email_settings_changed(
        ADA.id, notifier_domain.EmailSettings(retweets=True), LATER
    ),
}


class TestProducers:
    @pytest.mark.parametrize("name", PRODUCED)
    def test_event_equals_its_example(self, name: str) -> None:
        event = PRODUCED[name]()
        assert event.type == name
        assert json.loads(event.to_json()) == json.loads((EXAMPLES / f"{name}.json").read_text())

    def test_every_event_has_an_example(self) -> None:
        examples = {file.stem for file in EXAMPLES.iterdir()}
        assert examples == set(PRODUCED)

    @pytest.mark.parametrize("name", PRODUCED)
    def test_event_ids_are_deterministic_and_unique(self, name: str) -> None:
        assert PRODUCED[name]() == PRODUCED[name]()
        assert len({produce().id for produce in PRODUCED.values()}) == len(PRODUCED)


class TestTheFeed:
    """The tweets service consumes its own events."""

    def test_tweet_is_a_feed_item_of_its_author(self) -> None:
        event = Event.from_json((EXAMPLES / "tweet-created.json").read_text())
        item = tweets.feed_item(event)
        assert item == FeedItem(1, FeedKind.TWEETED, TWEET.author, replace(TWEET, retweet_count=0))

    def test_retweet_is_a_feed_item_of_the_original_author(self) -> None:
        event = Event.from_json((EXAMPLES / "tweet-retweeted.json").read_text())
        item = tweets.feed_item(event)
        assert item == FeedItem(2, FeedKind.RETWEETED, RETWEET.author, TWEET)

    @pytest.mark.parametrize("name", ["tweet-deleted", "retweet-undone"])
    def test_other_events_are_no_feed_items(self, name: str) -> None:
        assert tweets.feed_item(Event.from_json((EXAMPLES / f"{name}.json").read_text())) is None

    def test_own_retweet_is_no_feed_item(self) -> None:
        assert tweets.feed_item(tweets.tweet_retweeted(RETWEET, None)) is None

    def test_event_without_feed_position_is_no_feed_item(self) -> None:
        event = tweets.tweet_created(TWEET, 1)
        data = {name: value for name, value in event.data.items() if name != "feedPosition"}
        assert tweets.feed_item(replace(event, data=data)) is None

    def test_what_lacks_something_is_malformed(self) -> None:
        event = tweets.tweet_created(TWEET, 1)
        data = {name: value for name, value in event.data.items() if name != "text"}
        with pytest.raises(MalformedEventError):
            tweets.feed_item(replace(event, data=data))


class TestAuthAsConsumer:
    def test_auth_consumes_what_the_notifier_publishes(self) -> None:
        assert auth.EMAIL_SETTINGS_CHANGED == notifier.EMAIL_SETTINGS_CHANGED

    def test_auth_reads_person_settings_and_time(self) -> None:
        event = Event.from_json((EXAMPLES / "email-settings-changed.json").read_text())
        settings = EmailSettings(retweets=True, changed_at=LATER)
        assert auth.changed_email_settings(event) == (ADA.id, settings)

    @pytest.mark.parametrize("data", [{}, {"userId": "ada"}, {"userId": str(ADA.id)}])
    def test_what_lacks_something_is_malformed(self, data: dict[str, Any]) -> None:
        event = Event.from_json((EXAMPLES / "email-settings-changed.json").read_text())
        with pytest.raises(MalformedEventError):
            auth.changed_email_settings(replace(event, data=data))


class TestTheNotifierAsConsumer:
    def test_notifier_reads_changed_settings_with_their_time(self) -> None:
        event = auth.user_registered(ADA, EmailSettings(retweets=True, changed_at=LATER))
        wanted = notifier_domain.EmailSettings(retweets=True)
        assert notifier.registered_user(event) == notifier_domain.Recipient(
            ADA.id, wanted, "ada", "ada@example.com", LATER
        )

    def test_notifier_reads_the_examples_of_tweets(self) -> None:
        def example(name: str) -> Event:
            return Event.from_json((EXAMPLES / f"{name}.json").read_text())

        tweet, retweet = notifier.new_retweet(example("tweet-retweeted"))
        assert (tweet.id, tweet.author_id, tweet.text) == (TWEET.id, ADA.id, TWEET.text)
        assert (retweet.id, retweet.username) == (RETWEET.id, "bob")
        undone = notifier.undone_retweet(example("retweet-undone"))
        assert (undone.id, undone.tweet_id, undone.undone) == (RETWEET.id, TWEET.id, True)
        assert notifier.deleted_tweet(example("tweet-deleted")) == TWEET.id
        assert notifier.deleted_user(example("user-deleted")) == ADA.id

    def test_notifier_reads_a_verification_and_a_requested_mail(self) -> None:
        def example(name: str) -> Event:
            return Event.from_json((EXAMPLES / f"{name}.json").read_text())

        assert notifier.verified_user(example("email-verified")) == notifier_domain.Recipient(
            ADA.id, email="ada@example.com", email_verified_at=LATER
        )
        requested = example("account-mail-requested")
        mail_id = UUID("01993c20-0000-7000-8000-000000000001")
        assert notifier.requested_account_mail(requested) == mail_id
        # The content, with its code and its address, is never in an event.
        assert requested.data == {"mailId": str(mail_id)}

    def test_notifier_handles_the_types_that_are_published(self) -> None:
        handled = {
            notifier.USER_REGISTERED,
            notifier.USER_DELETED,
            notifier.TWEET_RETWEETED,
            notifier.RETWEET_UNDONE,
            notifier.TWEET_DELETED,
        }
        assert handled <= set(PRODUCED)


class TestExports:
    """Every service that consumes auth's events answers, by code that knows no service."""

    def test_type_is_that_of_auth(self) -> None:
        assert answering.USER_EXPORT_REQUESTED == auth.USER_EXPORT_REQUESTED

    def test_event_names_no_person(self) -> None:
        event = auth.user_export_requested(EXPORT_ID, LATER)
        assert event.data == {"exportId": str(EXPORT_ID)}

    def test_every_service_with_a_database_gets_the_request(self) -> None:
        others = {service.name for service in declared().databases} - {"auth"}
        assert others <= declared().consumers_of("auth")


class TestTweetsAsConsumer:
    def test_type_is_that_of_auth(self) -> None:
        assert tweets.USER_DELETED == auth.USER_DELETED

    def test_deleted_user_is_read(self) -> None:
        event = Event.from_json((EXAMPLES / "user-deleted.json").read_text())
        assert tweets.deleted_user(event) == ADA.id
