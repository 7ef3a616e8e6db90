"""The rules of deliveries: further retweets, cancelled mails, retries."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from notifier.domain import (
    Delivery,
    Draft,
    EmailSettings,
    Recipient,
    ReportedTweet,
    RetryPolicy,
    State,
    Tweet,
)

ID = UUID(int=1)
NOW = datetime(2026, 11, 1, tzinfo=UTC)
DIGEST = Delivery(ID, ID, ID, ID, "<1@x>", True, NOW, NOW)
DRAFT = Draft(
    DIGEST,
    Recipient(ID, EmailSettings(retweets=True), "ada", "ada@example.com"),
    [ReportedTweet(Tweet(ID, ID, "Hello"), ["grace"], 1)],
    1,
    ["grace"],
    1,
)
POLICY = RetryPolicy(attempts=10, base=timedelta(seconds=30), cap=timedelta(hours=1))


class TestTakesMore:
    @pytest.mark.parametrize("state", [State.WAITING, State.PENDING])
    def test_untried_digest_takes_more(self, state: State) -> None:
        assert replace(DIGEST, state=state).takes_more

    def test_digest_in_flight_takes_no_more(self) -> None:
        assert not replace(DIGEST, first_leased_at=NOW).takes_more

    @pytest.mark.parametrize("state", [State.FAILED, State.SENT, State.DEAD, State.CANCELLED])
    def test_tried_or_cancelled_digest_takes_no_more(self, state: State) -> None:
        assert not replace(DIGEST, state=state).takes_more

    def test_first_mail_takes_no_more(self) -> None:
        assert not replace(DIGEST, digest=False).takes_more


class TestCancelReason:
    def test_wanted_mail_has_none(self) -> None:
        assert DRAFT.cancel_reason is None

    @pytest.mark.parametrize(
        ("draft", "reason"),
        [
            (replace(DRAFT, recipient=None), "the account is deleted"),
            (
                replace(DRAFT, recipient=Recipient(ID, EmailSettings(False, unsubscribed=True))),
                "the address is unsubscribed",
            ),
            (replace(DRAFT, recipient=Recipient(ID)), "the recipient has opted out"),
            (
                replace(DRAFT, recipient=Recipient(ID, EmailSettings(False))),
                "the recipient has opted out",
            ),
            (replace(DRAFT, reported=[]), "the retweets are undone or the tweets deleted"),
            (replace(DRAFT, retweeters=0), "the retweets are undone or the tweets deleted"),
        ],
    )
    def test_unwanted_mail_has_a_reason(self, draft: Draft, reason: str) -> None:
        assert draft.cancel_reason == reason


class TestRetryPolicy:
    @pytest.mark.parametrize(
        ("attempt", "longest"), [(1, 30), (2, 60), (3, 120), (8, 3600), (1_000_000, 3600)]
    )
    def test_wait_doubles_up_to_the_cap(self, attempt: int, longest: int) -> None:
        assert POLICY.delay(attempt, 1.0) == timedelta(seconds=longest)

    def test_chance_reduces_the_wait_by_up_to_half(self) -> None:
        assert POLICY.delay(1, 0.0) == timedelta(seconds=15)
        assert POLICY.delay(1, 0.5) == timedelta(seconds=22.5)

    def test_defaults_are_those_of_the_documentation(self) -> None:
        assert RetryPolicy() == RetryPolicy(16, timedelta(seconds=30), timedelta(hours=1))
