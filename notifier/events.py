"""The events that the notifier publishes, and those of other services that it reads."""

from datetime import UTC, datetime
from uuid import UUID, uuid5

from chassis.events import Event
from notifier.domain import EmailSettings, Recipient, Retweet, Tweet

SOURCE = "/notifier"
EMAIL_SETTINGS_CHANGED = "email-settings-changed"

USER_REGISTERED = "user-registered"
USER_DELETED = "user-deleted"
EMAIL_VERIFIED = "email-verified"
ACCOUNT_MAIL_REQUESTED = "account-mail-requested"
TWEET_RETWEETED = "tweet-retweeted"
RETWEET_UNDONE = "retweet-undone"
TWEET_DELETED = "tweet-deleted"

_UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of settings that were chosen before changes had a time."""

_LONGEST_ADDRESS = 320
_LONGEST_NAME = 100

# Every reader of an event raises MalformedEventError.


def registered_user(event: Event) -> Recipient:
    """Return the user of a `user-registered`, with the settings of sign-up or of a snapshot."""
    data = event.fields
    settings = data.part("emailSettings")
    return Recipient(
        user_id=data.id("userId"),
        # Name and address become headers of a mail.
        username=data.line("username", _LONGEST_NAME),
        email=data.line("email", _LONGEST_ADDRESS),
        settings=EmailSettings(settings.flag("retweets")),
        settings_changed_at=settings.time("changedAt") if "changedAt" in settings else None,
        email_verified_at=data.time("emailVerifiedAt") if "emailVerifiedAt" in data else None,
    )


def verified_user(event: Event) -> Recipient:
    """Return the user of an `email-verified`; the address is verified from its time on."""
    data = event.fields
    return Recipient(
        user_id=data.id("userId"),
        email=data.line("email", _LONGEST_ADDRESS),
        email_verified_at=event.time,
    )


def requested_account_mail(event: Event) -> UUID:
    """Return the id of the mail of an `account-mail-requested`."""
    return event.fields.id("mailId")


def deleted_user(event: Event) -> UUID:
    """Return the id of the user of a `user-deleted`."""
    return event.fields.id("userId")


def new_retweet(event: Event) -> tuple[Tweet, Retweet]:
    """Return the tweet and the retweet of a `tweet-retweeted`."""
    data = event.fields
    tweet = Tweet(data.id("tweetId"), data.id("authorId"), data.text("text"))
    retweet = Retweet(
        id=data.id("retweetId"),
        tweet_id=tweet.id,
        retweeter_id=data.id("retweeterId"),
        username=data.line("retweeterUsername", _LONGEST_NAME),
    )
    return tweet, retweet


def undone_retweet(event: Event) -> Retweet:
    """Return the retweet of a `retweet-undone`; its retweeter's name is not in the event."""
    data = event.fields
    return Retweet(
        id=data.id("retweetId"),
        tweet_id=data.id("tweetId"),
        retweeter_id=data.id("retweeterId"),
        undone=True,
    )


def deleted_tweet(event: Event) -> UUID:
    """Return the id of the tweet of a `tweet-deleted`."""
    return event.fields.id("tweetId")


def email_settings_changed(user_id: UUID, settings: EmailSettings, at: datetime | None) -> Event:
    """Return the event of a change; its id follows from the user and the time.

    `at` is None where the time of the change is unknown: such a change gives way to every other.
    """
    time = at or _UNKNOWN_TIME
    return Event(
        id=uuid5(user_id, f"{EMAIL_SETTINGS_CHANGED} {time.astimezone(UTC).isoformat()}"),
        source=SOURCE,
        type=EMAIL_SETTINGS_CHANGED,
        subject=str(user_id),
        time=time,
        data={"userId": str(user_id), "retweets": settings.retweets},
    )
