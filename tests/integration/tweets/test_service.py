"""The use cases on PostgreSQL."""

import pytest

from chassis.database import Database
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.tweets.repository import SqlRepositories
from subgraphs.tweets.service import TweetService
from tests.integration.conftest import outbox
from tests.unit.tweets.fakes import tweet_service
from tests.unit.tweets.service_suite import (
    CreateTweet,
    DeletedAccount,
    DeleteTweet,
    Events,
    Feeds,
    ForgetUser,
    Retweet,
    Retweeted,
    Snapshot,
    Timelines,
    Tweets,
    UndoRetweet,
)


@pytest.fixture
def service(database: Database) -> TweetService:
    return tweet_service(SqlUnitOfWork(database, SqlRepositories.on))


@pytest.fixture
def events(database: Database) -> Events:
    return lambda: outbox(database)


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
