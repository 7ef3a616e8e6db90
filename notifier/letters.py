"""What a mail says: the templates, and what is filled into them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from notifier.domain import Draft, Mail
from notifier.templates import render


@dataclass(frozen=True, slots=True)
class LetterWriter:
    """`tweet_url` is the address of a tweet's page, with `{id}` where its id goes."""

    product: str
    tweet_url: str
    unsubscribe_url: Callable[[UUID], str]

    def __call__(self, draft: Draft) -> Mail:
        recipient, tweet = draft.recipient, draft.tweet
        assert recipient and recipient.email and tweet  # noqa: S101, PT018  (it is not obsolete)
        who = retweeters(draft.names, draft.retweeters)
        username = recipient.username or ""
        unsubscribe_url = self.unsubscribe_url(recipient.user_id)
        values = {
            "product": self.product,
            "username": username,
            "who": who,
            "tweet": tweet.text,
            "tweet_url": self.tweet_url.replace("{id}", str(tweet.id)),
            "unsubscribe_url": unsubscribe_url,
        }
        return Mail(
            message_id=draft.delivery.message_id,
            to=recipient.email,
            to_name=username,
            subject=f"{who} retweeted your tweet",
            text=render("retweets.txt", **values),
            html=render("retweets.html", **values),
            unsubscribe_url=unsubscribe_url,
        )


def retweeters(names: Sequence[str], number: int) -> str:
    """`grace`, `grace and joan`, `grace, joan and 41 others`."""
    parts = list(names)
    if others := number - len(names):
        parts.append("1 other" if others == 1 else f"{others} others")
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
