"""The export of tweets, for any repository."""

from functools import partial
from typing import Any

import pytest

from subgraphs.tweets import export
from subgraphs.tweets.service import TweetService
from tests.unit.fakes import exported
from tests.unit.tweets.fakes import ADA, BOB, NOBODY


async def records_of(service: TweetService, user_id: Any = ADA.id) -> Any:
    return await exported(partial(export.user_records, service.unit_of_work), user_id)


class UserRecords:
    async def test_tweets_and_retweets_are_newest_first(self, service: TweetService) -> None:
        tweet = await service.create_tweet(ADA, "Hello")
        other = await service.create_tweet(BOB, "A text of bob")
        await service.retweet(BOB, tweet.id)
        retweet = await service.retweet(ADA, other.id)
        assert await records_of(service) == {
            "feed": [{"items": 2}],
            "tweets": [
                {
                    "id": str(retweet.id),
                    "username": "ada",
                    "createdAt": f"{retweet.created_at:%Y-%m-%dT%H:%M:%SZ}",
                    "retweetOf": str(other.id),
                },
                {
                    "id": str(tweet.id),
                    "username": "ada",
                    "createdAt": f"{tweet.created_at:%Y-%m-%dT%H:%M:%SZ}",
                    "text": "Hello",
                    "retweetCount": 1,
                },
            ],
        }

    async def test_every_page_is_exported_once(
        self, service: TweetService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(export, "_PAGE", 2)
        tweets = [await service.create_tweet(ADA, f"Tweet {number}") for number in range(5)]
        found = [record["id"] for record in (await records_of(service))["tweets"]]
        assert found == [str(tweet.id) for tweet in reversed(tweets)]

    async def test_unknown_user_has_no_records(self, service: TweetService) -> None:
        await service.create_tweet(ADA, "Hello")
        assert await records_of(service, NOBODY) == {"feed": [], "tweets": []}

    async def test_nothing_of_a_deleted_account_is_exported(self, service: TweetService) -> None:
        await service.create_tweet(ADA, "Hello")
        await service.unit_of_work.transaction(lambda r: r.feeds.close(ADA.id, service.now()))
        # Its tweets are about to be removed.
        assert await records_of(service) == {}
