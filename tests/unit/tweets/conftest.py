"""The tweets service on fakes."""

import pytest

from subgraphs.tweets.service import TweetService
from tests.unit.tweets.fakes import FakeUnitOfWork, tweet_service
from tests.unit.tweets.service_suite import Events


@pytest.fixture
def unit_of_work() -> FakeUnitOfWork:
    return FakeUnitOfWork()


@pytest.fixture
def events(unit_of_work: FakeUnitOfWork) -> Events:
    return unit_of_work.events


@pytest.fixture
def service(unit_of_work: FakeUnitOfWork) -> TweetService:
    return tweet_service(unit_of_work)
