"""The tweets subgraph on Strawberry as documented: its executor and its view.

Types, resolvers, use cases, repository and the check of the edge's secret are those of the service.
PLAIN=1 leaves out the caches of parsed and validated documents.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.federation import Schema
from uuid_utils.compat import uuid7

from bench import reference
from chassis.database import Database
from chassis.principal import TrustedCallers
from chassis.text import count_characters, is_visible
from chassis.unit_of_work import SqlUnitOfWork
from subgraphs.tweets.context import TweetsContext
from subgraphs.tweets.repository import SqlRepositories
from subgraphs.tweets.schema import Query
from subgraphs.tweets.service import TweetService

if TYPE_CHECKING:
    from subgraphs.tweets.feed import Feed


def create_app(database_url: str, secret: str, *, caches: bool) -> Starlette:
    database = Database(database_url)
    service = TweetService(
        unit_of_work=SqlUnitOfWork(database, SqlRepositories.on),
        count_characters=count_characters,
        is_visible=is_visible,
        now=lambda: datetime.now(UTC),
        new_id=uuid7,
    )

    class View(GraphQL[TweetsContext, None]):
        async def get_context(self, request: Any, response: Any) -> TweetsContext:
            # No query uses the feed.
            return TweetsContext.from_connection(request, service=service, feed=cast("Feed", None))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await database.connect()
        yield
        await database.disconnect()

    async def live(_: Request) -> Response:
        return Response()

    schema = Schema(query=Query, extensions=[ParserCache, ValidationCache] if caches else [])
    graphql = TrustedCallers(View(schema, graphql_ide=None), secret)
    return Starlette(routes=[Route("/graphql", graphql), Route("/livez", live)], lifespan=lifespan)


def main() -> None:
    app = create_app(
        os.environ["TWEETS_DATABASE_URL"],
        os.environ["ROUTER_SECRET"],
        caches=not os.environ.get("PLAIN"),
    )
    reference.serve(app)


if __name__ == "__main__":
    main()
