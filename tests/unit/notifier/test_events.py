"""The events of other services that the notifier reads."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from chassis.events import Event, MalformedEventError
from notifier.domain import EmailSettings, Recipient, Retweet, Tweet
from notifier.events import (
    deleted_tweet,
    deleted_user,
    new_retweet,
    registered_user,
    requested_account_mail,
    undone_retweet,
    verified_user,
)

ID = UUID("01993c1e-0000-7000-8000-000000000001")
DELETED = {"userId": str(ID)}
REGISTERED = {
    "userId": str(ID),
    "username": "ada",
    "email": "ada@example.com",
    "emailSettings": {"retweets": True},
}
RETWEETED = {
    "retweetId": str(ID),
    "tweetId": str(ID),
    "text": "Hello\nworld",
    "authorId": str(ID),
    "authorUsername": "ada",
    "retweeterId": str(ID),
    "retweeterUsername": "grace",
    "retweetCount": 1,
    "createdAt": "2026-11-01T12:00:00Z",
}
UNDONE = {"retweetId": str(ID), "tweetId": str(ID), "retweeterId": str(ID), "retweetCount": 0}
TIME = datetime(2026, 11, 1, 12, tzinfo=UTC)


def event(data: dict[str, Any]) -> Event:
    return Event(ID, "/tests", "of any type", str(ID), TIME, data)


def settings(**more: Any) -> dict[str, Any]:
    return REGISTERED | {"emailSettings": {"retweets": True, **more}}


class TestRead:
    def test_registered_user(self) -> None:
        assert registered_user(event(REGISTERED)) == Recipient(
            ID, EmailSettings(retweets=True), "ada", "ada@example.com"
        )

    def test_registered_user_may_have_a_verified_address(self) -> None:
        user = registered_user(event(REGISTERED | {"emailVerifiedAt": "2026-11-01T12:00:00Z"}))
        assert user.email_verified_at == TIME

    def test_verified_user_has_the_time_of_the_event(self) -> None:
        user = verified_user(event({"userId": str(ID), "email": "ada@example.com"}))
        assert user == Recipient(ID, email="ada@example.com", email_verified_at=TIME)

    def test_requested_account_mail(self) -> None:
        assert requested_account_mail(event({"mailId": str(ID)})) == ID

    def test_registered_user_of_a_snapshot_has_the_time_of_the_settings(self) -> None:
        user = registered_user(event(settings(changedAt="2026-11-01T12:00:00Z")))
        assert user.settings_changed_at == TIME

    def test_deleted_user(self) -> None:
        assert deleted_user(event(DELETED)) == ID

    def test_new_retweet(self) -> None:
        assert new_retweet(event(RETWEETED)) == (
            Tweet(ID, ID, "Hello\nworld"),
            Retweet(ID, ID, ID, "grace"),
        )

    def test_undone_retweet(self) -> None:
        assert undone_retweet(event(UNDONE)) == Retweet(ID, ID, ID, undone=True)

    def test_deleted_tweet(self) -> None:
        assert deleted_tweet(event({"tweetId": str(ID), "authorId": str(ID)})) == ID

    @pytest.mark.parametrize(
        "email", ["🩷x@example.com", "\u0378@example.com", "jörg@bücher.example"]
    )
    def test_address_can_have_any_visible_character(self, email: str) -> None:
        assert registered_user(event(REGISTERED | {"email": email})).email == email

    @pytest.mark.parametrize(
        ("read", "data", "field"),
        [
            (deleted_user, {}, "userId"),
            (deleted_user, {"userId": 7}, "userId"),
            (deleted_user, {"userId": "ada"}, "userId"),
            (registered_user, REGISTERED | {"emailSettings": True}, "emailSettings"),
            (registered_user, settings(retweets=1), "emailSettings.retweets"),
            (registered_user, settings(changedAt="yesterday"), "emailSettings.changedAt"),
            (registered_user, settings(changedAt="2026-11-01T12:00:00"), "emailSettings.changedAt"),
            (registered_user, settings(changedAt=None), "emailSettings.changedAt"),
            (registered_user, REGISTERED | {"emailVerifiedAt": "now"}, "emailVerifiedAt"),
            (verified_user, {"userId": str(ID)}, "email"),
            (verified_user, {"userId": str(ID), "email": "a@b\nBcc: eve@x"}, "email"),
            (requested_account_mail, {"mailId": "1"}, "mailId"),
            (registered_user, REGISTERED | {"username": ""}, "username"),
            (registered_user, REGISTERED | {"username": "ada\r\nBcc: eve@x"}, "username"),
            (registered_user, REGISTERED | {"email": "a@b\nBcc: eve@x"}, "email"),
            (registered_user, REGISTERED | {"email": "a" * 400}, "email"),
            (new_retweet, RETWEETED | {"retweeterUsername": "a\0"}, "retweeterUsername"),
            (new_retweet, RETWEETED | {"text": "a\0"}, "text"),
            (new_retweet, RETWEETED | {"text": "\ud800"}, "text"),
            (new_retweet, RETWEETED | {"text": "a" * 20_000}, "text"),
            (undone_retweet, UNDONE | {"retweetId": None}, "retweetId"),
            (deleted_tweet, {}, "tweetId"),
        ],
    )
    def test_malformed_field_is_named_and_not_quoted(
        self, read: Callable[[Event], object], data: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(MalformedEventError, match=rf"^data\.{field} is not ") as raised:
            read(event(data))
        assert "eve" not in str(raised.value)
        assert len(str(raised.value)) < 80
