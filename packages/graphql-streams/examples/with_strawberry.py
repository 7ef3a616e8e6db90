"""`uvicorn with_strawberry:app`: queries by Strawberry's own view, subscriptions by this package."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import strawberry
from graphql_streams import Caller, Handshake, Limits, Operation, Streams, Unauthenticated
from graphql_streams import bearer_token
from graphql_streams.strawberry import Started, subscriptions

SESSIONS = {"secret": "ada"}
"""The user names by token; yours come from a JWT or a database."""


@strawberry.type
class Query:
    hello: str = "hello"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(
        self, info: strawberry.Info[Operation, None], every: float = 1.0
    ) -> AsyncGenerator[str, None]:
        """Knows nothing of tokens and sessions: they end its connection."""
        for number in range(1_000_000):
            yield f"{number} for {info.context.caller.id}"
            await asyncio.sleep(every)


async def authenticate(handshake: Handshake) -> Caller:
    token = bearer_token(handshake.payload) or bearer_token(handshake.headers)
    if token not in SESSIONS:
        raise Unauthenticated
    lifetime = timedelta(minutes=15)
    return Caller(SESSIONS[token], session_id=token, expires_at=datetime.now(UTC) + lifetime)


schema = strawberry.Schema(Query, subscription=Subscription, extensions=[Started])
app = Streams(subscriptions(schema), authenticate, Limits(connections_per_caller=5))


def sign_out(token: str) -> None:
    """When this returns, no event can be sent to the session any more."""
    SESSIONS.pop(token, None)
    app.connections.end_sessions([token])
