"""The export of the notifier, for any repository."""

from functools import partial
from typing import Any

from notifier.export import user_records
from tests.unit.fakes import exported
from tests.unit.notifier.fakes import (
    ADA,
    CROWD,
    GRACE,
    TWEET,
    FakeNotifier,
    Person,
    account_mail,
    tweet_of,
)


async def records_of(notifier: FakeNotifier, person: Person) -> Any:
    return await exported(partial(user_records, notifier.unit_of_work), person.id)


class UserRecords:
    async def test_recipient_has_the_address_and_the_settings(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        (recipient,) = (await records_of(notifier, ADA))["recipient"]
        assert (recipient["id"], recipient["username"]) == (str(ADA.id), "ada")
        assert (recipient["email"], recipient["retweets"]) == ("ada@example.com", True)
        await notifier.unsubscribed(ADA)
        (recipient,) = (await records_of(notifier, ADA))["recipient"]
        assert (recipient["retweets"], recipient["addressUnsubscribed"]) == (False, True)

    async def test_mails_have_ids_and_times(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        await notifier.sent()
        records = await records_of(notifier, ADA)
        (mail,) = records["mails"]
        assert (mail["tweetId"], mail["state"]) == (str(TWEET.id), "sent")
        assert mail["createdAt"]
        assert mail["sentAt"]
        assert records["tweets"] == [{"id": str(TWEET.id), "text": TWEET.text}]
        assert records["retweets"] == []

    async def test_retweets_are_exported_to_their_retweeter(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        retweet = await notifier.retweeted(GRACE)
        records = await records_of(notifier, GRACE)
        assert records["retweets"] == [
            {
                "id": str(retweet.id),
                "tweetId": str(TWEET.id),
                "username": "grace",
                "undone": False,
            }
        ]
        assert (records["mails"], records["tweets"]) == ([], [])

    async def test_every_page_is_exported_once(self, notifier: FakeNotifier) -> None:
        tweets = [tweet_of(ADA, number) for number in range(201)]
        for tweet in tweets:
            await notifier.unit_of_work.transaction(
                lambda r, tweet=tweet: r.retweets.add_tweet(tweet, notifier.clock.now)  # type: ignore[misc]
            )
        await notifier.registered(ADA)
        found = [record["id"] for record in (await records_of(notifier, ADA))["tweets"]]
        assert found == [str(tweet.id) for tweet in tweets]

    async def test_mails_about_accounts_are_left_to_auth(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA)
        await notifier.asked(account_mail(ADA))
        assert (await records_of(notifier, ADA))["mails"] == []

    async def test_nothing_of_a_deleted_account_is_exported(self, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.retweeted(GRACE)
        await notifier.deleted(ADA)
        assert await records_of(notifier, ADA) == {}

    async def test_unknown_user_has_no_records(self, notifier: FakeNotifier) -> None:
        assert await records_of(notifier, CROWD[0]) == {}
