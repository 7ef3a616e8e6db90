"""The export of tweets on PostgreSQL."""

import pytest

from chassis.database import Database
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.tweets.repository import SqlRepositories
from subgraphs.tweets.service import TweetService
from tests.unit.tweets import export_suite
from tests.unit.tweets.fakes import tweet_service


@pytest.fixture
def service(database: Database) -> TweetService:
    return tweet_service(SqlUnitOfWork(database, SqlRepositories.on))


class TestUserRecords(export_suite.UserRecords):
    pass
