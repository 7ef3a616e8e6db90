"""Puts the tweets service together."""

from datetime import UTC, datetime
from pathlib import Path

from starlette.applications import Starlette
from uuid_utils.compat import uuid7

from chassis.app import open_database, subgraph_app
from chassis.database import Database
from chassis.graphql.view import GraphQLView
from subgraphs.tweets.context import TweetsContext
from subgraphs.tweets.graphemes import count_characters
from subgraphs.tweets.repository import SqlUnitOfWork
from subgraphs.tweets.schema import build_schema
from subgraphs.tweets.service import TweetService
from subgraphs.tweets.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"


def create_app(settings: Settings) -> Starlette:
    database = Database(settings.database_url, pool_size=settings.database_pool_size)
    tweets = TweetService(
        unit_of_work=SqlUnitOfWork(database),
        count_characters=count_characters,
        now=lambda: datetime.now(UTC),
        new_id=uuid7,
    )
    return subgraph_app(
        GraphQLView(
            build_schema(introspection=settings.introspection),
            lambda request: TweetsContext.of(request, tweets),
        ),
        router_secret=settings.router_secret,
        lifespan=lambda: open_database(database, MIGRATIONS),
        checks={"database": database.ping},
    )
