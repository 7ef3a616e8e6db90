"""What a mail says: the templates, and what is filled into them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.text import shorten
from notifier.domain import Draft, Mail, Retweeted
from notifier.templates import render

_PREVIEW = 120
"""Characters of a tweet that a mailbox shows beside the subject."""


@dataclass(frozen=True, slots=True)
class LetterWriter:
    """`tweet_url` is the address of a tweet's page, with `{id}` where its id goes.

    `unsubscribe_url` makes the link for a person's id and the address of the mail.
    """

    product: str
    tweet_url: str
    unsubscribe_url: Callable[[UUID, str], str]

    def __call__(self, draft: Draft) -> Mail:
        recipient = draft.recipient
        assert recipient and recipient.email and draft.retweeted  # noqa: S101, PT018  (it is not obsolete)
        who = retweeters(draft.names, draft.retweeters)
        username = recipient.username or ""
        unsubscribe_url = self.unsubscribe_url(recipient.user_id, recipient.email)
        headline = f"{who} retweeted {_what(draft.tweets)}"
        values = {
            "product": self.product,
            "username": username,
            "headline": headline,
            "preview": shorten(" ".join(draft.retweeted[0].tweet.text.split()), _PREVIEW),
            "tweets": [self._tweet(retweeted) for retweeted in draft.retweeted],
            "more": draft.tweets - len(draft.retweeted),
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

    def _tweet(self, retweeted: Retweeted) -> dict[str, object]:
        return {
            "lines": retweeted.tweet.text.splitlines(),
            "url": self.tweet_url.replace("{id}", str(retweeted.tweet.id)),
            "who": retweeters(retweeted.names, retweeted.retweeters),
        }


def retweeters(names: Sequence[str], number: int) -> str:
    """`grace`, `grace and joan`, `grace, joan and 41 others`."""
    parts = list(names)
    if others := number - len(names):
        parts.append("1 other" if others == 1 else f"{others} others")
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _what(tweets: int) -> str:
    return "your tweet" if tweets == 1 else f"{tweets} of your tweets"
