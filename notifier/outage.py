"""Exponential backoff while a server that mails need is unavailable."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

_log = structlog.get_logger("notifier.outage")


class Outage:
    """Pauses from the first failure until a success; after each pause one mail is tried alone."""

    def __init__(
        self, event: str, first: timedelta, longest: timedelta, now: Callable[[], datetime]
    ) -> None:
        """Each pause is twice as long as the one before, from `first` to `longest`.

        `event` is logged when a pause begins.
        """
        self._event = event
        self._first = first
        self._longest = longest
        self._now = now
        self._pause = timedelta()
        self.until: datetime | None = None
        """The end of the last pause."""

    @property
    def is_over(self) -> bool:
        """Whether a mail has succeeded since the last failure."""
        return not self._pause

    @property
    def is_pausing(self) -> bool:
        """Whether nothing is to be tried now. A success does not end a pause early."""
        return self.until is not None and self._now() < self.until

    def failed(self, reason: str) -> timedelta:
        """Return the time until the next try. A failure within a pause does not make it longer."""
        now = self._now()
        if self.until is None or self.until <= now:
            self._pause = min(max(2 * self._pause, self._first), self._longest)
            self.until = now + self._pause
            _log.warning(self._event, reason=reason, retry_in=self._pause.total_seconds())
        return self.until - now

    def succeeded(self) -> None:
        self._pause = timedelta()
