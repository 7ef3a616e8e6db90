"""The use cases on the fake repositories."""

from tests.unit.tweets.service_suite import (
    CreateTweet,
    DeletedAccount,
    DeleteTweet,
    Feeds,
    ForgetUser,
    Retweet,
    Retweeted,
    Snapshot,
    Timelines,
    Tweets,
    UndoRetweet,
)


class TestCreateTweet(CreateTweet):
    pass


class TestDeleteTweet(DeleteTweet):
    pass


class TestRetweet(Retweet):
    pass


class TestUndoRetweet(UndoRetweet):
    pass


class TestForgetUser(ForgetUser):
    pass


class TestDeletedAccount(DeletedAccount):
    pass


class TestTweets(Tweets):
    pass


class TestTimelines(Timelines):
    pass


class TestRetweeted(Retweeted):
    pass


class TestFeeds(Feeds):
    pass


class TestSnapshot(Snapshot):
    pass
