"""What the notifier exports of a person."""

from collections.abc import AsyncGenerator
from uuid import UUID

from chassis.exports.records import Record, Records, in_pages
from notifier.domain import Delivery, EmailSettings, Recipient, Retweet, Tweet
from notifier.ports import UnitOfWork


async def user_records(unit_of_work: UnitOfWork, user_id: UUID) -> AsyncGenerator[Records, None]:
    """Yield the recipient, the mails about retweets, and the tweets and retweets in such mails.

    Yields nothing for a deleted account. Mails about the account are in the export of auth, which
    knows whose they are.
    """
    recipient = await unit_of_work.read(lambda r: r.recipients.get(user_id))
    if recipient is None:
        return
    yield Records("recipient", [_recipient(recipient)])
    async for mails in in_pages(
        lambda after, limit: unit_of_work.read(
            lambda r: r.deliveries.of_recipient(user_id, after, limit)
        ),
        key=lambda mail: mail.id,
    ):
        yield Records("mails", [_mail(mail) for mail in mails])
    async for tweets in in_pages(
        lambda after, limit: unit_of_work.read(
            lambda r: r.retweets.tweets_of(user_id, after, limit)
        ),
        key=lambda tweet: tweet.id,
    ):
        yield Records("tweets", [_tweet(tweet) for tweet in tweets])
    async for retweets in in_pages(
        lambda after, limit: unit_of_work.read(
            lambda r: r.retweets.of_retweeter(user_id, after, limit)
        ),
        key=lambda retweet: retweet.tweet_id,
    ):
        yield Records("retweets", [_retweet(retweet) for retweet in retweets])


def _recipient(recipient: Recipient) -> Record:
    settings = recipient.settings or EmailSettings()
    return {
        "id": recipient.user_id,
        "username": recipient.username,
        "email": recipient.email,
        "emailVerifiedAt": recipient.email_verified_at,
        "retweets": settings.retweets,
        "settingsChangedAt": recipient.settings_changed_at,
        "addressUnsubscribed": settings.unsubscribed,
        "undeliverableSince": settings.undeliverable_since,
    }


def _mail(mail: Delivery) -> Record:
    return {
        "id": mail.id,
        "messageId": mail.message_id,
        "tweetId": mail.tweet_id,
        "state": mail.state,
        "createdAt": mail.created_at,
        "sentAt": mail.sent_at,
    }


def _tweet(tweet: Tweet) -> Record:
    return {"id": tweet.id, "text": tweet.text}


def _retweet(retweet: Retweet) -> Record:
    return {
        "id": retweet.id,
        "tweetId": retweet.tweet_id,
        "username": retweet.username,
        "undone": retweet.undone,
    }
