"""Renders mails about retweets from the templates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.node_ids import time_of
from chassis.text import shorten
from notifier.domain import Draft, Mail, Recipient, ReportedTweet
from notifier.errors import MailMustWait, MailNotWanted
from notifier.templates import render

_PREVIEW = 120
"""Characters of a tweet that a mailbox shows beside the subject."""
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)


@dataclass(frozen=True, slots=True)
class RetweetMails:
    """`tweet_url` is the address of a tweet's page, with `{id}` for the tweet's id.

    `unsubscribe_url` returns the link for a user's id and the address of the mail.
    """

    product: str
    tweet_url: str
    unsubscribe_url: Callable[[UUID, str], str]

    async def __call__(self, draft: Draft) -> Mail:
        """Return the mail of a draft. Raises MailNotWanted or MailMustWait."""
        if reason := draft.cancel_reason:
            raise MailNotWanted(reason)
        recipient = draft.recipient
        assert recipient  # noqa: S101
        if reason := recipient.wait_reason:
            raise MailMustWait(reason)
        return self._render(draft, recipient)

    def _render(self, draft: Draft, recipient: Recipient) -> Mail:
        assert recipient.email  # noqa: S101
        username = recipient.username or ""
        unsubscribe_url = self.unsubscribe_url(recipient.user_id, recipient.email)
        what = "your tweet" if draft.tweets == 1 else f"{draft.tweets} of your tweets"
        headline = f"{list_retweeters(draft.names, draft.retweeters)} retweeted {what}"
        values = {
            "product": self.product,
            "username": username,
            "headline": headline,
            "preview": shorten(" ".join(draft.reported[0].tweet.text.split()), _PREVIEW),
            "tweets": [self._tweet(reported) for reported in draft.reported],
            "more": draft.tweets - len(draft.reported),
            "unsubscribe_url": unsubscribe_url,
        }
        return Mail(
            message_id=draft.delivery.message_id,
            to=recipient.email,
            to_name=username,
            subject=headline,
            text=render("retweets.txt", **values),
            html=render("retweets.html", **values),
            unsubscribe_url=unsubscribe_url,
        )

    def _tweet(self, reported: ReportedTweet) -> dict[str, object]:
        return {
            "lines": reported.tweet.text.splitlines(),
            "url": self.tweet_url.replace("{id}", str(reported.tweet.id)),
            "who": list_retweeters(reported.names, reported.retweeters),
            "count": reported.retweeters,
            "date": _date(time_of(reported.tweet.id)),
        }


def _date(time: datetime | None) -> str:
    """Return `1 November 2026`, in English whatever the locale, or an empty string."""
    return f"{time.day} {_MONTHS[time.month - 1]} {time.year}" if time else ""


def list_retweeters(names: Sequence[str], number: int) -> str:
    """Return `grace`, `grace and joan` or `grace, joan and 41 others`."""
    parts = list(names)
    if others := number - len(names):
        parts.append("1 other" if others == 1 else f"{others} others")
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
