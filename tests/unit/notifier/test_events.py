"""What is understood of the events of others."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from notifier.errors import InvalidEvent
from notifier.events import (
    RetweetUndone,
    TweetDeleted,
    TweetRetweeted,
    UserDeleted,
    UserRegistered,
    parse,
)

ID = "01993c1e-0000-7000-8000-000000000001"
REGISTERED = {
    "userId": ID,
    "username": "ada",
    "email": "ada@example.com",
    "emailSettings": {"retweets": True},
}
RETWEETED = {
    "retweetId": ID,
    "tweetId": ID,
    "text": "Hello\nworld",
    "authorId": ID,
    "authorUsername": "ada",
    "retweeterId": ID,
    "retweeterUsername": "grace",
    "retweetCount": 1,
    "createdAt": "2026-11-01T12:00:00Z",
}
UNDONE = {"retweetId": ID, "tweetId": ID, "retweeterId": ID, "retweetCount": 0}


def settings(**more: Any) -> dict[str, Any]:
    return REGISTERED | {"emailSettings": {"retweets": True, **more}}


class TestParse:
    def test_each_type_is_read(self) -> None:
        one = UUID(ID)
        assert parse("user-registered", REGISTERED) == UserRegistered(
            one, "ada", "ada@example.com", True
        )
        assert parse("user-deleted", {"userId": ID}) == UserDeleted(one)
        assert parse("tweet-retweeted", RETWEETED) == TweetRetweeted(
            one, one, "Hello\nworld", one, one, "grace"
        )
        assert parse("retweet-undone", UNDONE) == RetweetUndone(one, one, one)
        assert parse("tweet-deleted", {"tweetId": ID, "authorId": ID}) == TweetDeleted(one, one)

    def test_the_settings_of_a_snapshot_have_a_time(self) -> None:
        assert parse("user-registered", settings(changedAt="2026-11-01T12:00:00Z")) == (
            UserRegistered(
                UUID(ID), "ada", "ada@example.com", True, datetime(2026, 11, 1, 12, tzinfo=UTC)
            )
        )

    @pytest.mark.parametrize("kind", ["tweet-created", "session-revoked", "of-the-future"])
    def test_other_types_mean_nothing(self, kind: str) -> None:
        assert parse(kind, {"anything": 1}) is None

    @pytest.mark.parametrize(
        "email", ["🩷x@example.com", "\u0378@example.com", "jörg@bücher.example"]
    )
    def test_an_address_may_have_any_visible_character(self, email: str) -> None:
        event = parse("user-registered", REGISTERED | {"email": email})
        assert isinstance(event, UserRegistered)
        assert event.email == email

    def test_what_is_added_to_a_type_is_ignored(self) -> None:
        assert parse("user-deleted", {"userId": ID, "reason": "left"})

    @pytest.mark.parametrize(
        ("kind", "data", "field"),
        [
            ("user-deleted", {}, "userId"),
            ("user-deleted", {"userId": 7}, "userId"),
            ("user-deleted", {"userId": "ada"}, "userId"),
            ("user-registered", REGISTERED | {"emailSettings": True}, "emailSettings"),
            ("user-registered", REGISTERED | {"emailSettings": {"retweets": 1}}, "retweets"),
            ("user-registered", settings(changedAt="yesterday"), "changedAt"),
            ("user-registered", settings(changedAt="2026-11-01T12:00:00"), "changedAt"),
            ("user-registered", settings(changedAt=None), "changedAt"),
            ("user-registered", REGISTERED | {"username": ""}, "username"),
            ("user-registered", REGISTERED | {"username": "ada\r\nBcc: eve@x"}, "username"),
            ("user-registered", REGISTERED | {"email": "a@b\nBcc: eve@x"}, "email"),
            ("user-registered", REGISTERED | {"email": "a" * 400}, "email"),
            ("tweet-retweeted", RETWEETED | {"retweeterUsername": "a\0"}, "retweeterUsername"),
            ("tweet-retweeted", RETWEETED | {"text": "a\0"}, "text"),
            ("tweet-retweeted", RETWEETED | {"text": "\ud800"}, "text"),
            ("tweet-retweeted", RETWEETED | {"text": "a" * 20_000}, "text"),
        ],
    )
    def test_bad_data_is_refused_and_not_quoted(
        self, kind: str, data: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(InvalidEvent, match=field) as raised:
            parse(kind, data)
        assert "eve" not in str(raised.value)
        assert len(str(raised.value)) < 80

    def test_data_that_is_no_object_is_refused(self) -> None:
        with pytest.raises(InvalidEvent):
            parse("user-deleted", [])
