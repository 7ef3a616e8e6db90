"""The wiring of the application."""

from chassis.parts import Parts
from notifier.app import event_handler
from notifier.consumer import BACKFILLED
from notifier.settings import Settings
from tests.unit.notifier.test_settings import COMPLETE

SETTINGS = Settings.from_env(COMPLETE)


class TestBackfill:
    def test_state_of_tweets_is_not_asked_for(self) -> None:
        """A snapshot of tweets would cause mails about old retweets."""
        parts = Parts("notifier", SETTINGS)
        handle = event_handler(SETTINGS, parts.database)
        assert list(parts.backfill(handle).owners) == list(SETTINGS.owner_urls)
        assert list(parts.backfill(handle, BACKFILLED).owners) == ["auth"]
