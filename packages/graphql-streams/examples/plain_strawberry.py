from collections.abc import AsyncGenerator

import strawberry

from graphql_streams import Caller, Streams
from graphql_streams.strawberry import Started, subscriptions


@strawberry.type
class Query:
    a: int


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def countdown(self, start: int) -> AsyncGenerator[int, None]:
        for number in range(start, -1, -1):
            yield number


async def authenticate(handshake):
    return Caller(id="anyone")


schema = strawberry.Schema(Query, subscription=Subscription, extensions=[Started])
app = Streams(subscriptions(schema), authenticate)
